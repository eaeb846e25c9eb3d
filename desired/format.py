"""A manifest in the one way of spacing and quoting, with every comment where it was."""

from __future__ import annotations

from collections.abc import Iterator

from desired.problem import BYTE_ORDER_MARK, ManifestError, Problem, Source
from desired.statements import Statement, comments, cut, key, names, newline, pair
from desired.tables import load
from desired.value import spaced

_HEADERS = ("table", "element")


def formatted(source: Source) -> Source:
    """The source, formatted. It says the same, and formatted again it stays as it is.

    Raises `ManifestError` where the source is no legal TOML.
    """
    tables = load(source)
    if isinstance(tables, Problem):
        raise ManifestError([tables])
    mark = BYTE_ORDER_MARK if source.raw.startswith(BYTE_ORDER_MARK) else b""
    text = source.raw[len(mark) :].decode("utf-8")
    plain = text.replace("\r\n", "\n")
    written = "".join(_lines(cut(plain)))
    raw = mark + written.replace("\n", newline(text)).encode("utf-8")
    found = Source(source.name, raw)
    # Not `==`: the order counts, 1 is not true, and nan is itself.
    if repr(load(found)) != repr(tables) or sorted(comments(plain)) != sorted(comments(written)):
        raise ManifestError([_not_the_same(source)])
    return found


def _not_the_same(source: Source) -> Problem:
    text = "it would say something else when formatted"
    return Problem.of_file(source.name, "format", text, "leave it as it is, and tell us")


def _lines(statements: list[Statement]) -> Iterator[str]:
    opening = _opening(statements)
    above = ""
    blank = False
    for index, statement in enumerate(statements):
        if statement.kind == "blank":
            blank = True
            continue
        if above and (index in opening or (blank and above not in _HEADERS)):
            yield "\n"
        yield _line(statement)
        above = statement.kind
        blank = False


def _opening(statements: list[Statement]) -> set[int]:
    """What starts a block: its header, or the first of the comments right above that."""
    found: set[int] = set()
    start: int | None = None
    for index, statement in enumerate(statements):
        if statement.kind == "comment":
            start = index if start is None else start
            continue
        if statement.kind in _HEADERS:
            found.add(index if start is None else start)
        start = None
    return found


def _line(statement: Statement) -> str:
    match statement.kind:
        case "table":
            return _header(statement.text, "[", "]")
        case "element":
            return _header(statement.text, "[[", "]]")
        case "pair":
            parts = pair(statement)
            begin = f"{key(parts.names)} = {spaced(parts.value)}"
            return _commented(begin, parts.comment, parts.column)
        case _:
            return statement.text.strip(" \t\r\n") + "\n"


def _header(text: str, opening: str, closing: str) -> str:
    begin = opening + key(names(text)) + closing
    comment = next(iter(comments(text)), "")
    return _commented(begin, comment, len(text.rstrip("\n \t")) - len(comment))


def _commented(begin: str, comment: str, column: int) -> str:
    """A line with its comment: in its old column where there is room, as people align them."""
    if not comment:
        return begin + "\n"
    last = begin.rpartition("\n")[2]
    return begin + " " * max(2, column - len(last)) + comment + "\n"
