"""The system calls of a command, as strace wrote them down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_RESULT = re.compile(
    r"(?P<arguments>.*)\) += (?P<result>-?\d+)(?:<[^>]*>(?:\(deleted\))?)?(?P<error> E\w+ .*)?$"
)
_HEXADECIMAL = re.compile(r"(?:\\x[0-9a-f]{2})+")
_DESCRIPTOR = re.compile(
    r"(?P<number>\d+|AT_FDCWD)(?:<(?P<path>[^>]*)>)?(?P<deleted>\(deleted\))?$"
)


@dataclass(frozen=True)
class Call:
    """One call; strings in it are in hexadecimal where strace was told to write them so."""

    process: int
    name: str
    text: str  # From its arguments to the end of the line.

    @property
    def result(self) -> int | None:
        """What it gave; None where it failed, or did not come to its end."""
        ended = _RESULT.match(self.text)
        if ended is None or ended["error"] or int(ended["result"]) < 0:
            return None
        return int(ended["result"])

    @property
    def arguments(self) -> list[str]:
        ended = _RESULT.match(self.text)
        return (ended["arguments"] if ended else self.text).split(", ")

    @property
    def readable(self) -> str:
        """Its arguments and what it gave, for a person, and to look for a path in."""
        return _HEXADECIMAL.sub(
            lambda found: _decoded(found[0]).decode(errors="replace"), self.text
        )


@dataclass(frozen=True)
class Descriptor:
    """An open file as an argument."""

    number: int | None  # None for the working directory.
    path: str  # Where it was then.
    deleted: bool


def calls(log: Path) -> Iterator[Call]:
    """All of them, in order."""
    for line in log.read_text(errors="replace").splitlines():
        if parsed := _CALL.match(line):
            yield Call(int(parsed[1]), parsed[2], parsed[3])


def string(argument: str) -> bytes:
    """A string that is an argument, which is written in hexadecimal."""
    assert re.fullmatch(r'"(\\x[0-9a-f]{2})*"', argument), f"strace cut it short: {argument[:80]}"
    return _decoded(argument[1:-1])


def descriptor(argument: str) -> Descriptor:
    parsed = _DESCRIPTOR.match(argument)
    assert parsed is not None, argument
    number = None if parsed["number"] == "AT_FDCWD" else int(parsed["number"])
    path = _decoded(parsed["path"] or "").decode()
    return Descriptor(number, path, bool(parsed["deleted"]))


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
