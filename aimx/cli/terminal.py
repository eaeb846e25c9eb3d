"""The only module that prints, asks, or knows what a terminal is."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO


def say(text: str) -> None:
    """What was asked for, on standard output."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """About what was asked for, on standard error."""
    _write(sys.stderr, text)


def columns() -> int:
    """How wide a line may be; 80 where there is no terminal."""
    return max(shutil.get_terminal_size((80, 24)).columns, 40) if is_terminal() else 80


def is_terminal() -> bool:
    return sys.stdout.isatty()


def color() -> bool:
    """Whether colours are wanted; `NO_COLOR` and a dumb terminal say no."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Whether a person typed `yes` in full."""
    sys.stderr.write(f"{question} Only 'yes' is accepted: ")
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip() == "yes"
    except KeyboardInterrupt:
        return False


def _write(stream: TextIO, text: str) -> None:
    """Write lines; a reader that has left, such as `head`, is no failure of ours."""
    try:
        stream.write(text if text.endswith("\n") else f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        # Python would complain once more when it closes the stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
