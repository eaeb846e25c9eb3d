"""The only module that prints, asks, or knows what a terminal is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from itertools import chain
from typing import TextIO

from aimx.doors.exits import Exit

# Compiled where a line is folded, which a program never reads.
_COLOUR = r"\x1b\[[0-9;]*m"
# Commands and blocks to paste are indented; before a line of a file is its number, or a sign.
_COPIED = r" {4}(?! *= )|[-+@]| *\d* \| "

# What Python gives for a stream that whoever started us has closed.
Stream = TextIO | None


def say(text: str) -> None:
    """What was asked for, on standard output."""
    _write(sys.stdout, text)


def show(text: str) -> None:
    """Likewise, for a person: at a terminal no line is broken within a word."""
    say(folded(text, columns()) if is_terminal() else text)


def report(text: str, *, prose: bool = False) -> None:
    """What has happened, which nobody could ask for again: where standard output does not take it,
    on standard error."""
    try:
        (show if prose else say)(text)
    except SystemExit:
        _write(sys.stderr, text)
        raise


def tell(text: str) -> None:
    """About what was asked for, on standard error, for a person."""
    _write(sys.stderr, folded(text, max(width() + 1, 40)) if _is_terminal(sys.stderr) else text)


def can_overwrite() -> bool:
    """Whether somebody would see a line that is written over."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def overwrite(line: str) -> None:
    """Show a line, no wider than `width`, in the place of the one before."""
    _write(sys.stderr, f"\r{line}\x1b[K", end="")


def width() -> int:
    """How wide a line may be that is written over: a wider one would stay."""
    try:
        # 0: a terminal that nobody told its size.
        return max(os.get_terminal_size(sys.stderr.fileno()).columns or 80, 20) - 1
    except OSError:
        return 79


def columns() -> int:
    """How wide a line may be; 80 where there is no terminal."""
    if not is_terminal():
        return 80
    import shutil  # It brings what compresses archives, and most output is not for a terminal.

    return max(shutil.get_terminal_size((80, 24)).columns, 40)


def plain(text: str) -> str:
    """The text on one line that no terminal obeys, whoever wrote it."""
    return "".join(each if each.isprintable() else "?" for each in text)


def folded(text: str, columns: int) -> str:
    """The text with lines that are too long broken between words, and continued further in.

    What is there to be copied stays whole: a command, a line of a file.
    """
    return "\n".join(chain.from_iterable(_folded(line, columns) for line in text.split("\n")))


def _folded(line: str, columns: int) -> Iterator[str]:
    if _seen(line) <= columns or re.match(_COPIED, line):
        yield line
        return
    first, *words = line.lstrip(" ").split(" ")
    indent = " " * (len(line) - len(line.lstrip(" ")))
    now = indent + first
    for word in words:
        if _seen(now) + 1 + _seen(word) > columns:
            yield now
            now = f"{indent}    {word}"
        else:
            now += f" {word}"
    yield now


def _seen(text: str) -> int:
    """How many columns it takes: colours take none."""
    return len(re.sub(_COLOUR, "", text))


def shortened(text: str, width: int) -> str:
    """As much of the text as fits, with a mark where it was cut."""
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."


def is_terminal() -> bool:
    return _is_terminal(sys.stdout)


def color() -> bool:
    """Whether colours are wanted; `NO_COLOR` and a dumb terminal say no."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def confirmed(question: str) -> bool:
    """Whether a person typed `yes` in full."""
    return _answered(f"{question} Only 'yes' is accepted: ", "yes")


def typed(warning: str, word: str) -> bool:
    """Whether a person typed the word, which says what they are about to lose."""
    return _answered(f"{warning} Type {word} to go on: ", word)


def answer(question: str, usual: str) -> str:
    """What a person types, or what is usual where they only press Enter; empty: nothing."""
    return _read(f"{question} [{usual}]: " if usual else f"{question}: ") or usual


def goes_on(question: str) -> bool:
    """Whether a person presses Enter, and does not type q, or leave in another way."""
    try:
        _ask(question)
        return sys.stdin.readline() == "\n"
    except KeyboardInterrupt:
        tell("")
        return False


def _answered(question: str, word: str) -> bool:
    return _read(question) == word


def _read(question: str) -> str:
    try:
        _ask(question)
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        tell("")  # The shell's prompt belongs on a line of its own.
        return ""


def _ask(question: str) -> None:
    sys.stderr.write(question)
    sys.stderr.flush()


def _is_terminal(stream: Stream) -> bool:
    return stream is not None and stream.isatty()


def _write(stream: Stream, text: str, end: str = "\n") -> None:
    """Write lines; a reader that has left, such as `head`, is no failure of ours."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    lines = text if text.endswith("\n") else text + end
    try:
        stream.write(lines.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as cause:
        _silence(stream)
        if stream is sys.stdout:
            tell(f"aimx: cannot write to standard output: {(cause.strerror or '').lower()}.")
            raise SystemExit(Exit.ERROR) from cause


def _silence(stream: TextIO) -> None:
    """Python would complain once more when it closes the stream at exit."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
