"""Colours of a terminal, by the sign that a line begins with.

Never alone: the sign says the same.
"""

from __future__ import annotations

_PLAIN = "\x1b[0m"
_COLOURS = {
    "+": "\x1b[32m",
    "~": "\x1b[33m",
    ">": "\x1b[36m",
    "@": "\x1b[36m",
    "&": "\x1b[36m",
    "q": "\x1b[35m",
    ".": "\x1b[2m",
    "-": "\x1b[31m",
    "!": "\x1b[1;31m",
    "?": "\x1b[1;31m",
}


def painted(sign: str, line: str, *, colour: bool) -> str:
    """The line in the colour of its sign, where colours are wanted and the sign has one."""
    return f"{_COLOURS[sign]}{line}{_PLAIN}" if colour and sign in _COLOURS else line
