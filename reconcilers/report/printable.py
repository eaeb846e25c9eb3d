"""Text that a terminal shows and never obeys, in lines that fit it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

_NARROWEST = 20


def printable(text: str) -> str:
    """The text with what would move a cursor, hide or turn around written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def wrapped(text: str, columns: int, indent: str, first: str | None = None) -> Iterator[str]:
    """The text in lines of at most so many columns, the later ones under the first."""
    yield from textwrap.wrap(
        printable(text),
        width=max(columns, _NARROWEST),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
