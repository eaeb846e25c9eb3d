"""Bytes to tables: one parser decides what is legal TOML, everywhere."""

from __future__ import annotations

import re
from typing import Any

import tomli

from desired.problem import BYTE_ORDER_MARK, Problem, Source, Where, dotted

Tables = dict[str, Any]

# What the parser has read to its end before it complains.
_AFTERWARDS = "Cannot "
_HEADER_TWICE = "Cannot declare "
# What it has read past a backslash to find.
_ESCAPE = "Unescaped|Invalid hex value|Escaped character"
# What it has looked for to the end of the file: no such quote is behind the one that opens.
_LITERAL_OPEN = 'Expected "\'"'
_LONG_LITERAL_OPEN = "Expected \"'''\""
_LINE_OPEN = rf"(?:Illegal|Found invalid) character '\\n'|{_LITERAL_OPEN}"
# What it says in words of its own, which are Python's; compiled where there is a fault.
_WORDINGS = (
    ("Cannot overwrite a value", "the key has a value already"),
    (_LONG_LITERAL_OPEN, "unterminated string"),
    (_LINE_OPEN, "a text does not end on its line"),
    ("Invalid hex value", r"what follows '\' is no number of a character"),
    ("Duplicate inline table key", "a key of the table has a value already"),
    (
        r"Cannot (?:mutate immutable namespace|redefine namespace) (\(.+\))",
        "`{}` has a value already, to which nothing can be added",
    ),
)
_HINTS = (
    (
        f"{_LINE_OPEN}|Unterminated|{_LONG_LITERAL_OPEN}",
        "end the text with the quote it began with",
    ),
    ("(?:Illegal|Found invalid) character", "remove it; a text may have it as \\uXXXX"),
    ("Unescaped|Invalid hex value", "write it twice, or put the text in single quotes: '...'"),
)
_BARE_ADDRESS = r"""\s*\[[^"'\]]*@"""
_BARE_TEXT = "[A-Za-z/*\N{LEFT DOUBLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}]"


def load(source: Source) -> Tables | Problem:
    """The tables of a source, or the one thing that keeps them from being read."""
    raw = source.raw.removeprefix(BYTE_ORDER_MARK)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        return _not_text(source.name, raw, cause.start)
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as cause:
        return _not_toml(source.name, text, cause)
    except RecursionError as cause:
        return Problem.of_file(source.name, "too-deep", str(cause), "a manifest needs five levels")
    except ValueError as cause:
        # The interpreter's own limit on the digits of an integer.
        return Problem.of_file(source.name, "syntax", f"a number is too long: {cause}")


def same(one: Any, other: Any) -> bool:
    """Whether two values are written alike: to Python 1 is `true`, 1.0 is 1, and nan is no nan."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one)


def _not_text(name: str, raw: bytes, start: int) -> Problem:
    begin = raw.rfind(b"\n", 0, start) + 1
    before = raw[begin:start].decode("utf-8", "replace")
    line = raw[begin:].split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "replace")
    return Problem(
        Where(name, raw.count(b"\n", 0, begin) + 1, len(before) + 1),
        "encoding",
        f"byte 0x{raw[start]:02x} is not UTF-8",
        hint="save the file as UTF-8",
        line=line,
    )


def _not_toml(name: str, text: str, cause: tomli.TOMLDecodeError) -> Problem:
    lines = text.replace("\r\n", "\n").split("\n")
    number, column = _place(cause)
    line = lines[number - 1] if number <= len(lines) else ""
    said, width = _sentence(cause.msg), 1
    if cause.msg == "Invalid value" and cause.pos == len(cause.doc):
        said = "the file ends before a value does; a list ends with `]`"
    if cause.msg.startswith(_AFTERWARDS):
        # Found at its end, and meant is all of it.
        statement = _statement(line)
        column, width = line.find(statement) + 1 or column, len(statement) or 1
    where = Where(name, number, column)
    if not cause.msg.startswith(_HEADER_TWICE):
        return Problem(where, "syntax", said, hint=_hint(cause, line), line=line, width=width)
    header, earlier = _statement(line), list(map(_statement, lines[: number - 1]))
    hint = f"first declared at {name}:{earlier.index(header) + 1}" if header in earlier else ""
    said = f"{header} is declared {'twice' if hint else 'already, as a value or by dotted keys'}"
    return Problem(where, "syntax", said, hint=hint, line=line, width=width)


def _place(cause: tomli.TOMLDecodeError) -> tuple[int, int]:
    """The line and column that are meant, where the parser had read on before it complained."""
    text = cause.doc
    if re.match(_ESCAPE, cause.msg):
        at = text.rfind("\\", 0, cause.pos)
    elif cause.msg == _LITERAL_OPEN:
        at = (text + "\n").index("\n", text.rindex("'"))
    elif cause.msg == _LONG_LITERAL_OPEN:
        at = text.rindex("'''")
    else:
        return cause.lineno, cause.colno
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _statement(line: str) -> str:
    """What stands on the line without the comment behind it."""
    return line.partition(" #")[0].strip()


def _hint(cause: tomli.TOMLDecodeError, line: str) -> str:
    """What is often meant, and looks so nearly right that nobody sees what is missing."""
    if re.match(_BARE_ADDRESS, line):
        return 'an address stands in quotes: [mailboxes."info@example.com"]'
    if cause.msg == "Invalid value" and re.match(_BARE_TEXT, line[cause.colno - 1 :]):
        return 'a text stands in straight quotes: "..."'
    return next((hint for said, hint in _HINTS if re.match(said, cause.msg)), "")


def _sentence(text: str) -> str:
    """A message in the form that stands behind its place: lower-case start, no word of Python's."""
    for pattern, wording in _WORDINGS:
        if found := re.match(pattern, text):
            from ast import literal_eval  # Hardly any manifest has such a fault.

            return wording.format(*(dotted(literal_eval(key)) for key in found.groups()))
    return text[:1].lower() + text[1:]
