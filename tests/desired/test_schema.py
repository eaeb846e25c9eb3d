import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from desired.json_schema import json_schema
from desired.manifest import Reading, read
from desired.meanings import MEANINGS
from desired.places import Places
from desired.problem import ManifestError, Problem, Source
from desired.tables import load
from desired.unbuilt import UNBUILT

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "manifests").glob("*.toml"))
SCHEMA = json_schema()
# What the schema speaks of. What a name must look like beyond its pattern, and what must hold
# between two places, only the loader can tell.
OF_SHAPE = {"unknown-key", "removed-key", "missing-key", "type", "value", "trust", "hook-type"}

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.just(datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)),
    st.just(datetime.date(2026, 1, 2)),
    st.sampled_from(["a.com", "x@a.com", "*@a.com", "none", "verified", "5m", "/bin/x", "root"]),
)


def problems(raw: bytes) -> tuple[Problem, ...]:
    try:
        return read([Source("manifest.toml", raw)], owner_exists=lambda owner: False).warnings
    except ManifestError as error:
        return error.problems


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What an editor that honours the schema would let pass."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: fitting(SCHEMA["definitions"][name]))
    for choices in ("oneOf", "anyOf"):
        if choices in schema:
            return st.one_of([fitting(choice) for choice in schema[choices]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if schema["type"] == "object":
        return fitting_table(schema)
    if schema["type"] == "array":
        return st.lists(fitting(schema["items"]), min_size=schema.get("minItems", 0), max_size=2)
    pattern = schema.get("pattern")
    values: dict[str, st.SearchStrategy[Any]] = {
        "string": st.from_regex(pattern, fullmatch=True) if pattern else st.text(max_size=8),
        "integer": st.integers(schema.get("minimum", -9), schema.get("maximum", 2**40)),
        "boolean": st.booleans(),
    }
    return values[schema["type"]]


def fitting_table(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(schema.get("additionalProperties"), dict):
        names = st.sampled_from(["a.com", "x@a.com", "x", "*@b.com"])
        return st.dictionaries(names, fitting(schema["additionalProperties"]), max_size=2)
    keys = {key: fitting(part) for key, part in schema["properties"].items()}
    needed = {key: keys.pop(key) for key in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=keys)


def keys_known(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from keys_known(part)


keys = st.one_of(
    st.sampled_from(sorted(set(keys_known(SCHEMA)))),
    st.sampled_from(["a.com", "x@a.com", "*@a.com", "", "é", "a b", 'a"b', "ownr", "stdin"]),
)
trees = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(keys, below, max_size=3)),
    max_leaves=12,
)
near_misses = st.dictionaries(keys, trees, max_size=5)


def test_the_schema_is_one_that_editors_understand() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "null" not in str(SCHEMA)
    assert "$defs" not in str(SCHEMA)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_editor_finds_nothing_wrong_with_an_example(path: Path) -> None:
    fastjsonschema.compile(SCHEMA)(tomlkit.parse(path.read_text()).unwrap())


@pytest.mark.parametrize("name", ["", *SCHEMA["definitions"]])
def test_every_key_says_what_it_means(name: str) -> None:
    table = SCHEMA["definitions"][name] if name else SCHEMA
    # A table says so itself: beside a reference, draft-07 reads nothing.
    keys = {key for key, part in table["properties"].items() if "$ref" not in part}

    assert table["description"]
    assert set(MEANINGS.get(name or "ManifestTable", ())) == keys
    assert [key for key in keys if not table["properties"][key]["description"].endswith(".")] == []


@given(fitting({**SCHEMA, "type": "object"}))
def test_what_the_schema_accepts_has_no_wrong_shape(manifest: dict[str, Any]) -> None:
    found = problems(tomlkit.dumps(manifest).encode())

    assert not [problem for problem in found if problem.code in OF_SHAPE]


@given(near_misses)
def test_no_table_at_all_raises_anything_but_problems(manifest: dict[str, Any]) -> None:
    found = problems(tomlkit.dumps({"domains": ["a.com"], **manifest}).encode())

    assert all(problem.text and problem.code for problem in found)


@given(st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_but_problems(raw: bytes) -> None:
    assert problems(raw)


@given(st.data())
def test_a_damaged_manifest_raises_nothing_but_problems(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(EXAMPLES)).read_bytes()
    start = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 20))
    inserted = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b"[", b'"', b"\n", b"="]))
    )

    problems(raw[:start] + inserted + raw[start + length :])


def paths(tables: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = tables.items() if isinstance(tables, dict) else enumerate(tables)
    for key, value in entries:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*above, key))


@given(near_misses)
def test_every_key_that_the_loader_sees_has_a_place(manifest: dict[str, Any]) -> None:
    raw = tomlkit.dumps(manifest).encode()
    tables = load(Source("manifest.toml", raw))
    known = Places(raw)

    assert not isinstance(tables, Problem)
    assert [path for path in paths(tables) if known.find(path)[0] != path] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("owner", [None, "root-of-nothing"], ids=["as written", "other owners"])
def test_every_example_is_a_manifest(
    path: Path, owner: str | None, reading: Callable[..., Reading]
) -> None:
    text = path.read_text()
    for written in ("alice", "bob", "support-agent", "orders-agent", "triage-agent"):
        text = text.replace(f'owner = "{written}"', f'owner = "{owner or written}"')

    warnings = reading(text).warnings

    assert {warning.code for warning in warnings} <= {"not-yet"}


@pytest.mark.parametrize("row", UNBUILT, ids=lambda row: ".".join(row.path))
def test_every_key_that_is_not_built_is_one_that_the_schema_knows(row: Any) -> None:
    here = SCHEMA
    for key in row.path:
        if "$ref" in here:
            here = SCHEMA["definitions"][here["$ref"].rpartition("/")[2]]
        here = next(
            (choice for choice in here.get("oneOf", ()) if "additionalProperties" in choice), here
        )
        here = (
            here["properties"][key]
            if key in here.get("properties", {})
            else here["additionalProperties"]
        )

    assert here
