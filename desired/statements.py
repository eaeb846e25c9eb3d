"""A manifest cut into its statements: every byte stays, and each line's subject becomes known.

Whatever the loader accepts can be cut, and the statements joined are the text again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal

import tomli

from desired.frozen import frozen
from desired.problem import KeyPath

Kind = Literal["table", "element", "pair", "comment", "blank"]

# A group is not repeated possessively: Python 3.11.2, as Debian 12 has it, matches that wrongly.
_STRINGS = (
    r'"""(?:[^"\\]++|\\[\s\S]|"(?!""))*""""{0,2}'
    r"|'''(?:[^']++|'(?!''))*''''{0,2}"
    r'|"(?:[^"\\\n]++|\\.)*"'
    r"|'[^'\n]*+'"
)
_COMMENT = r"#[^\n]*+"
_BOUNDARY = re.compile(rf"{_STRINGS}|{_COMMENT}|[\[\]{{}}\n]")
# What a value consists of. Blank space has no token.
TOKEN = re.compile(rf"{_STRINGS}|{_COMMENT}|[\[\]{{}},=.\n]|[^\s\[\]{{}},=.#\"']++")
_NAME = re.compile(r"[ \t]*([A-Za-z0-9_-]++|\"(?:[^\"\\\n]++|\\.)*\"|'[^'\n]*+')[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@frozen
class Statement:
    """One header, pair or comment, or an empty line, with its line end."""

    kind: Kind
    text: str
    table: KeyPath  # The table that it stands in; for a header, the one that it opens.
    path: KeyPath  # What it says something about: a pair's key, or the table.


@frozen
class Pair:
    """A pair's parts, without the space between them."""

    names: KeyPath
    value: str
    comment: str
    column: int  # Where the comment starts in its line.


def cut(text: str) -> list[Statement]:
    """The statements of a text that is legal TOML."""
    statements: list[Statement] = []
    repeated: dict[KeyPath, Iterator[int]] = {}
    latest: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for piece in _pieces(text):
        kind = _kind(piece)
        path: KeyPath = ()
        if kind in ("table", "element"):
            path = _opened(names(piece), latest)
            if kind == "element":
                latest[path] = next(repeated.setdefault(path, count()))
                path = (*path, latest[path])
            table = path
        elif kind == "pair":
            path = table + names(piece)
        statements.append(Statement(kind, piece, table, path))
    return statements


def _pieces(text: str) -> Iterator[str]:
    start = depth = 0
    for found in _BOUNDARY.finditer(text):
        mark = found[0]
        if mark == "\n":
            if not depth:
                yield text[start : found.end()]
                start = found.end()
        elif mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
    if start < len(text):
        yield text[start:]


def _kind(piece: str) -> Kind:
    begin = piece.lstrip(" \t\r\n")
    if not begin:
        return "blank"
    if begin[0] == "#":
        return "comment"
    if begin[0] == "[":
        return "element" if begin[1] == "[" else "table"
    return "pair"


def _opened(named: tuple[str, ...], latest: dict[KeyPath, int]) -> KeyPath:
    """The path that a header's names mean: an array of tables stands for its latest element."""
    path: KeyPath = ()
    for name in named:
        if path in latest:
            path = (*path, latest[path])
        path = (*path, name)
    return path


def names(text: str) -> tuple[str, ...]:
    """The names of the key of a pair or a header."""
    return _key(text)[0]


def renamed(text: str, path: Sequence[str | int]) -> str:
    """The pair or header with another key."""
    _, start, end = _key(text)
    return text[:start] + key(path) + text[end:]


def _key(text: str) -> tuple[tuple[str, ...], int, int]:
    """The names of a key, and where it starts and ends."""
    found: list[str] = []
    start = at = end = len(text) - len(text.lstrip(" \t["))
    while name := _NAME.match(text, at):
        found.append(_named(name[1]))
        at, end = name.end(), name.end(1)
        if text[at : at + 1] != ".":
            break
        at += 1
    return tuple(found), start, end


def _named(written: str) -> str:
    if written[0] not in "\"'":
        return written
    return written[1:-1] if "\\" not in written else str(tomli.loads(f"k = {written}")["k"])


def key(path: Sequence[str | int]) -> str:
    """How a path's names are written; an index has no name of its own."""
    return ".".join(
        name if _BARE.fullmatch(name) else string(name) for name in path if isinstance(name, str)
    )


def string(text: str) -> str:
    """The text as a string of one line."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    # What TOML does not allow in a string as it is.
    control = character == "\x7f" or (character < " " and character != "\t")
    return f"\\u{ord(character):04x}" if control else character


def pair(statement: Statement) -> Pair:
    """The parts of a statement that is a pair."""
    text = statement.text
    equals = _equals(text)
    end = equals + 1
    comment, column, depth = "", 0, 0
    for found in TOKEN.finditer(text, end):
        part = found[0]
        if part[0] == "#" and not depth:
            line = text.rfind("\n", 0, found.start()) + 1
            comment, column = part.rstrip(" \t\r"), found.start() - line
            break
        if part != "\n":
            depth += (part in "[{") - (part in "]}")
            end = found.end()
    return Pair(
        statement.path[len(statement.table) :], text[equals + 1 : end].strip(), comment, column
    )


def _equals(text: str) -> int:
    return next(found.start() for found in TOKEN.finditer(text) if found[0] == "=")


def comments(text: str) -> list[str]:
    """Every comment of a text, in order, without the space behind it."""
    return [found[0].rstrip(" \t\r") for found in _BOUNDARY.finditer(text) if found[0][0] == "#"]


def newline(text: str) -> str:
    """How the text ends its lines: as it ends the first."""
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"
