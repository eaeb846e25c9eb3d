"""Text in lines that fit a terminal, which shows it and never obeys it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from desired.problem import printable

_NARROWEST = 20
# Of one that is long, the last two names say which it is.
_PATH = r"(?<!\S)/(?:[^\s/]+/){2,}([^\s/]+/[^\s/]+)"


def wrapped(text: str, columns: int, indent: str, first: str | None = None) -> Iterator[str]:
    """The text in lines of at most so many columns, the later ones under the first."""
    text, width = printable(text), max(columns, _NARROWEST)
    beginning = indent if first is None else first
    if text and len(beginning) + len(text) <= width and text == text.strip():
        yield beginning + text  # Nearly all of thousands.
        return
    from textwrap import wrap

    yield from wrap(
        text,
        width=width,
        initial_indent=beginning,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def fitted(text: str, columns: int) -> str:
    """The text on one line: where it is too long, paths lose their beginnings, and it its end."""
    if len(text) > columns:
        text = re.sub(_PATH, r".../\1", text)
    return shortened(text, columns)


def shortened(text: str, columns: int) -> str:
    """As much of the text as fits one line, with a mark where it was cut."""
    return text if len(text) <= columns else f"{text[: columns - 3].rstrip()}..."


def noted(note: str, columns: int, indent: str) -> Iterator[str]:
    """A note: its sentence in lines that fit, and below it what is there to be copied, whole."""
    sentence, *copied = note.split("\n")
    yield from wrapped(sentence, columns, indent)
    yield from (f"{indent}    {printable(line)}" for line in copied)
