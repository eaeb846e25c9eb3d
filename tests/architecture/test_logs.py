"""Every line that the log can have is in docs/logs.md, with all of its fields, and no other is."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
# What a line of the log is called where that depends: on what a hook is bound to.
EVENTS_OF_HOOKS = {"on_receive", "after_send"}

Rows = Callable[[str], list[list[str]]]


@dataclass(frozen=True)
class Line:
    """One call that logs."""

    event: str
    level: str
    fields: frozenset[str]


def lines(path: str, source: str) -> Iterator[Line]:
    tree = ast.parse(source)
    functions = {it.name: it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef)}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=method), args=[what]):
                    found = {
                        name
                        for keyword in call.keywords
                        for name in named(keyword.arg, keyword.value, function, functions)
                    }
                    if method == "exception":
                        found.add("exception")
                    for event in events(what):
                        yield Line(event, LEVELS[method], frozenset(found))


def events(what: ast.expr) -> set[str]:
    return {str(what.value)} if isinstance(what, ast.Constant) else EVENTS_OF_HOOKS


def named(
    name: str | None,
    value: ast.expr | None,
    function: ast.AST,
    functions: dict[str, ast.FunctionDef],
) -> Iterator[str]:
    """The fields that an argument brings: one, or those of a dictionary that is spelt out."""
    if name is not None:
        yield name
        return
    match value:
        case ast.Dict():
            for key, each in zip(value.keys, value.values, strict=True):
                text = None if key is None else key.value if isinstance(key, ast.Constant) else ""
                assert text != "", ast.unparse(value)
                yield from named(text, each, function, functions)
        case ast.Name(id=variable):
            yield from named(None, assigned(variable, function), function, functions)
        case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called)):
            made = functions[called]
            (given,) = (it.value for it in ast.walk(made) if isinstance(it, ast.Return))
            yield from named(None, given, made, functions)
        case _:
            raise AssertionError(f"the fields of a line are spelt out: {ast.unparse(value)}")


def assigned(variable: str, function: ast.AST) -> ast.expr:
    (found,) = (
        it.value
        for it in ast.walk(function)
        if isinstance(it, ast.Assign) and ast.unparse(it.targets[0]) == variable
    )
    return found


def in_code(sources: dict[str, str]) -> set[Line]:
    return {line for path, source in sources.items() for line in lines(path, source)}


def together(found: set[Line]) -> dict[str, tuple[set[str], set[str]]]:
    """By event: its levels, and all fields that it may have."""
    events: dict[str, tuple[set[str], set[str]]] = {}
    for line in found:
        levels, fields = events.setdefault(line.event, (set(), set()))
        levels.add(line.level)
        fields |= line.fields
    return events


def test_every_line_is_explained(rows: Rows, sources: dict[str, str]) -> None:
    shown = {
        row[0].strip("`"): (set(row[1].split(", ")), set(re.findall(r"`(\w+)`", row[2])))
        for row in rows("docs/logs.md")
        if row[1].split(", ")[0] in LEVELS
    }

    assert shown == together(in_code(sources))


def test_whatever_is_told_of_one_message_has_its_trace(sources: dict[str, str]) -> None:
    of_mail = {
        line
        for line in in_code(sources)
        if re.match(r"mail |message |sent |submission", line.event)
    }

    assert {line.event for line in of_mail if "trace" not in line.fields} == set()
    assert len(of_mail) > 8
