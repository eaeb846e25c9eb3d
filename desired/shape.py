"""Tables against the schema: one typed value, and everything that does not fit, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from desired.alike import nearest
from desired.finding import Finding, Pattern, fits
from desired.frozen import frozen
from desired.legacy import REMOVED
from desired.problem import KeyPath, Source, dotted
from desired.schema import ManifestTable
from desired.tables import Tables

if TYPE_CHECKING:
    from desired.mending import Mended

_TRUST = 'expected one of ["none", "verified"]'
_TIMEOUT: Pattern = ("mailboxes", "*", "hooks", "*", "timeout_secs")
# Texts that scripts match: path, pydantic's error, our code, and how it is said.
_WORDINGS: tuple[tuple[Pattern, str, str, str], ...] = (
    (("trust",), "literal_error", "trust", "invalid top-level trust value '{value}': " + _TRUST),
    (
        ("mailboxes", "*", "trust"),
        "literal_error",
        "trust",
        "invalid trust value '{value}' on mailbox '{name}': " + _TRUST,
    ),
    (
        ("domain", "*", "trust"),
        "literal_error",
        "trust",
        "invalid trust value '{value}' on per-domain override `[domain.\"{name}\"]`: " + _TRUST,
    ),
    (
        ("mailboxes", "*", "hooks", "*", "type"),
        "literal_error",
        "hook-type",
        "unsupported type '{value}': only `cmd` is supported",
    ),
    (
        ("mailboxes", "*", "hooks", "*", "name"),
        "value_error",
        "name",
        "invalid hook name '{value}' on mailbox '{name}':"
        " must match [a-zA-Z0-9_][a-zA-Z0-9_.-]{{0,127}}",
    ),
    (
        ("mailboxes", "*", "owner"),
        "value_error",
        "owner-name",
        "mailbox '{name}' has invalid owner '{value}': must be 'root', 'aimx-catchall', or a valid"
        " Linux username matching [a-z_][a-z0-9_-]*[$]?",
    ),
    (_TIMEOUT, "greater_than_equal", "value", "`timeout_secs = {value}` must be > 0"),
    (_TIMEOUT, "less_than_equal", "value", "`timeout_secs = {value}` exceeds the max of 600"),
)
_MISSING_OWNER: Pattern = ("mailboxes", "*", "owner")
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "size_type": "a number of octets, or a string such as '25MiB'",
}


# What to write, where the type's name does not show it.
_WRITTEN = {
    "string_type": 'a text stands in straight quotes: "..."',
    "list_type": "a list stands in brackets, also one of a single entry: [...]",
}


@frozen
class Shaped:
    """What a source declares. With findings, as much of it as could be understood."""

    source: Source
    table: ManifestTable | None  # None: too much is wrong to check the rest against it.
    findings: tuple[Finding, ...] = ()
    all_domains: bool = True  # Else some are no names, and others stand in for them.
    made_up: tuple[KeyPath, ...] = ()  # Where the table differs from the file.


def shape(source: Source, tables: Tables) -> Shaped:
    """Fit the tables into the schema. What does not fit is taken out of `tables`, or made up."""
    findings: list[Finding] = []
    made_up: tuple[KeyPath, ...] = ()
    left, all_domains = source, True
    # An array can be too short without what was taken out of it: two rounds more.
    for attempt in range(3):
        try:
            table = ManifestTable.model_validate(tables)
        except ValidationError as cause:
            errors = cause.errors(include_url=False)
            if not attempt:
                findings = [_finding(source, tables, error) for error in _told_once(errors)]
                all_domains = not any(_of_domains(_path(error)) for error in errors)
            mended = _mended(left, tables, errors)
            made_up += tuple(map(left.written, mended.made_up))
            left = left.lacking(mended.gone)
        else:
            return Shaped(left, table, tuple(findings), all_domains, made_up)
    return Shaped(source, None, tuple(findings))


def _path(error: ErrorDetails) -> KeyPath:
    """Where the error stands in the file: `domain` has two spellings, whose name pydantic adds."""
    path = error["loc"]
    return path[:1] + path[2:] if path[:1] == ("domain",) else path


def _of_domains(path: KeyPath) -> bool:
    """Whether it is about which domains there are, and not about one's override."""
    return path[0] == "domains" or path == ("domain",)


def _told_once(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """A key that is missing since it is misspelt is one fault, and not two."""
    unknown = (_path(error) for error in errors if error["type"] == "extra_forbidden")
    meant = {(*path[:-1], _nearest_key(str(path[-1]), _known_keys(path[:-1]))) for path in unknown}
    for error in errors:
        if error["type"] != "missing" or _path(error) not in meant:
            yield error


def _mended(source: Source, tables: Tables, errors: list[ErrorDetails]) -> Mended:
    from desired.mending import mend  # Hardly any manifest needs it.

    return mend(source, tables, ((_path(error), error["type"] == "missing") for error in errors))


def _finding(source: Source, tables: Tables, error: ErrorDetails) -> Finding:
    path = _path(error)
    for pattern, kind, code, text in _WORDINGS:
        if error["type"] == kind and fits(pattern, path):
            name = path[1] if len(path) > 1 else ""
            return Finding(source, path, code, text.format(value=error["input"], name=name))
    match error["type"]:
        case "extra_forbidden":
            return _unknown(source, tables, path)
        case "missing":
            text, hint = _absent(source, path)
            return Finding(source, path, "missing-key", text, hint, meant="key")
        case "value_error":
            cause = error["ctx"]["error"]
            return Finding(source, path, "name", str(cause), getattr(cause, "hint", ""))
        case kind if kind in _EXPECTED:
            text = f"`{dotted(path)}` must be {_EXPECTED[kind]}, not {_called(error['input'])}"
            return Finding(source, path, "type", text, _written(kind, error["input"]))
        case _:
            return _outside(source, path, error)


def _written(kind: str, value: object) -> str:
    # Several things would have to become one text, or a table a list: which, nobody can say.
    return "" if isinstance(value, list | dict) else _WRITTEN.get(kind, "")


def _unknown(source: Source, tables: Tables, path: KeyPath) -> Finding:
    for pattern, wording in REMOVED:
        if fits(pattern, path):
            text = wording.format(name=_label(tables, path))
            return Finding(source, path, "removed-key", text, meant="key")
    known = _known_keys(path[:-1])
    near = _nearest_key(str(path[-1]), known)
    hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(known))}"
    table = f" in [{dotted(path[:-1])}]" if len(path) > 1 else ""
    text = f"unknown key `{path[-1]}`{table}"
    return Finding(source, path, "unknown-key", text, hint, meant="key")


def _label(tables: Tables, path: KeyPath) -> object:
    """What a key's hook calls itself; for a key above the hooks, its mailbox."""
    if len(path) < 5:
        return path[1] if len(path) > 1 else ""
    hook: Any = tables
    for key in path[:-1]:
        hook = hook[key]
    return hook.get("name", "<anonymous>")


def _absent(source: Source, path: KeyPath) -> tuple[str, str]:
    key = str(path[-1])
    if fits(_MISSING_OWNER, path):
        text = f"mailbox '{path[1]}' is missing required field 'owner'"
        return text, f'add `owner = "USER"` to it in {source.name}'
    return f"`{key}` is missing in [{dotted(path[:-1])}]", f"add `{key} = ...`"


def _outside(source: Source, path: KeyPath, error: ErrorDetails) -> Finding:
    """A value of the right type that is not in its list or range."""
    value = error["input"]
    context = error.get("ctx", {})
    choices = _choices(str(context.get("expected", "")))
    near = nearest(value, choices) if isinstance(value, str) else ""
    hint = f'did you mean "{near}"?' if near else ""
    shown = f'"{value}"' if isinstance(value, str) else _called(value, exact=True)
    text = f"`{dotted(path)}` must be {_demand(error)}, not {shown}"
    return Finding(source, path, "value", text, hint)


def _demand(error: ErrorDetails) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "literal_error":
            return "one of " + ", ".join(f'"{choice}"' for choice in _choices(context["expected"]))
        case "greater_than_equal":
            return f"{context['ge']} at least"
        case "less_than_equal":
            return f"{context['le']} at most"
        case "too_short":
            return "a list with an entry"
        case "string_pattern_mismatch":
            return f"a text that matches {context['pattern']}"
        case _:
            return error["msg"].removeprefix("Input should ").removeprefix("be ")


def _choices(expected: str) -> list[str]:
    """The members of pydantic's `'a', 'b' or 'c'`."""
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def _called(value: object, *, exact: bool = False) -> str:
    """What TOML calls a value of this type; the value itself where it is short enough to say."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)[:20] if exact else "a number"
        case str():
            return "a string"
        case list():
            return "an empty list" if exact and not value else "an array"
        case dict():
            return "a table"
        case date() | datetime() | time():
            return "a date or time"
        case _:
            return "that"


@cache
def _schema() -> dict[str, Any]:
    from desired.json_schema import json_schema  # Most manifests have no key that it does not know.

    return json_schema()


# Of thousands of resources each may have the same one.
_nearest_key = lru_cache(nearest)


def _known_keys(path: KeyPath) -> tuple[str, ...]:
    """The keys that the schema knows in the table at this path."""
    schema = _schema()
    here: Any = schema
    for key in path:
        here = next(_below(schema, here, key), {})
    properties = _resolved(schema, here).get("properties", {})
    return tuple(properties)


def _below(schema: Any, here: Any, key: str | int) -> Iterator[Any]:
    """The schema of what stands under the key, whichever way the table spells it."""
    table = _resolved(schema, here)
    for choice in (table, *table.get("oneOf", ()), *table.get("anyOf", ())):
        if isinstance(key, int) and "items" in choice:
            yield choice["items"]
        elif key in choice.get("properties", {}):
            yield choice["properties"][key]
        elif isinstance(choice.get("additionalProperties"), dict):
            yield choice["additionalProperties"]


def _resolved(schema: Any, here: Any) -> Any:
    name = str(here.get("$ref", "")).rpartition("/")[2]
    return schema["definitions"][name] if name else here
