"""Bytes to tables: one parser decides what is legal TOML, everywhere."""

from __future__ import annotations

from typing import Any

import tomli

from desired.problem import BYTE_ORDER_MARK, Problem, Source, Where

Tables = dict[str, Any]


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
    line = lines[cause.lineno - 1] if cause.lineno <= len(lines) else ""
    return Problem(
        Where(name, cause.lineno, cause.colno), "syntax", _sentence(cause.msg), line=line
    )


def _sentence(text: str) -> str:
    """A message in the form that stands behind its place: lower-case start."""
    return text[:1].lower() + text[1:]
