"""What is wrong with a manifest, each with its place and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from desired.frozen import field, frozen, ordered, replace

Severity = Literal["error", "warning"]
KeyPath = tuple[str | int, ...]  # Keys and array indices, from the top of a file.

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# How wide a screen is where nobody says; a longer line is shown around its caret.
_WIDTH = 124

# Of what is wrong in one manifest: more would push the first off any screen.
_TOLD = 40

# A password in a URL, or behind a key that is called after one, where it has no place. Compiled
# where there is a problem to tell; a line may be megabytes of anything, and is read but once.
_TO_HIDE = (
    r"""(?<=://)(?P<user>[^\s"'/:]*+:)[^\s"'/]*(?=@)"""
    r"""|(?P<key>(?:password|secret|token)"?\s*+=\s*+)(?!["'](?:file|env):)\S.*"""
)


@frozen
class Source:
    """One file of a manifest: what to call it, and its bytes."""

    name: str
    raw: bytes
    # Which items the tables made of it lack, being wrong: their numbers, by array, as written.
    lacks: Mapping[KeyPath, Sequence[int]] = field(default_factory=dict, compare=False)

    def written(self, path: KeyPath) -> KeyPath:
        """Where in the file stands what those tables have under the path."""
        if not self.lacks:
            return path
        found: KeyPath = ()
        for key in path:
            place = key
            if isinstance(key, int) and (gone := self.lacks.get(found)):
                place = key + _before(key, gone)
            found = (*found, place)
        return found

    def lacking(self, items: Iterable[KeyPath]) -> Source:
        """The same file, whose tables lack these items of theirs as well."""
        gone = {array: set(numbers) for array, numbers in self.lacks.items()}
        for *array, number in map(self.written, items):
            gone.setdefault(tuple(array), set()).add(int(number))
        return replace(self, lacks={array: sorted(each) for array, each in gone.items()})


def _before(number: int, gone: Sequence[int]) -> int:
    """How many of those that are gone stood before the item that has this number without them."""
    from bisect import bisect_right  # Items are gone only while something is found wrong.

    return bisect_right(range(len(gone)), number, key=lambda each: gone[each] - each)


def digest(sources: Iterable[Source]) -> str:
    """SHA-256 over each file's name and bytes, so that a renamed or split manifest is another."""
    total = sha256()
    for source in sources:
        for part in (source.name.encode("utf-8", "surrogateescape"), source.raw):
            total.update(len(part).to_bytes(8) + part)
    return total.hexdigest()


@ordered
class Where:
    """A place in a file. Lines and columns count from 1; 0 when only the file is known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@frozen
class Problem:
    """One thing wrong with a manifest."""

    where: Where
    code: str  # Stable, for scripts: `unknown-key`.
    text: str
    severity: Severity = "error"
    hint: str = ""  # What to do; empty where the text says it.
    line: str = ""  # The line that `where` points into.
    width: int = 1  # How many of its characters are meant.

    @classmethod
    def of_file(cls, file: str, code: str, text: str, hint: str = "") -> Problem:
        """A problem of a whole file: it is a directory, or nobody may read it."""
        return cls(Where(file), code, text, hint=hint)

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.severity}: {self.text} [{self.code}]")


class ManifestError(Exception):
    """A manifest that cannot be carried out, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Without the warnings."""
        return tuple(each for each in self.problems if each.severity == "error")


def render_problem(problem: Problem, columns: int = _WIDTH) -> str:
    """The problem as a compiler would show it: place, line, caret, hint. Plain text, of which the
    line with its caret fits so many columns."""
    return _rendered(problem, _without_secrets(problem.line), columns)


def _rendered(problem: Problem, line: str, columns: int) -> str:
    shown = [str(problem)]
    margin = " " * len(str(problem.where.line))
    if problem.line:
        text, before, meant = _window(problem, line, columns - len(f"{margin} | "))
        shown += [
            f"{margin} |",
            f"{problem.where.line} | {text}",
            f"{margin} | {_blank(before)}{'^' * max(1, _columns(meant))}",
        ]
    if problem.hint:
        shown.append(f"{margin} = {printable(problem.hint)}")
    return "\n".join(shown)


def render_problems(
    problems: Sequence[Problem], columns: int = _WIDTH, *, elsewhere: str = ""
) -> str:
    """The first of them with a blank line between, and how many more there are.

    Where not all are shown errors come before warnings. `elsewhere`: what shows all of them.
    """
    shown = list(problems)
    if len(shown) > _TOLD:
        shown = sorted(shown, key=lambda problem: problem.severity != "error")[:_TOLD]
    # All of it may stand in one line.
    lines = {line: _without_secrets(line) for line in {problem.line for problem in shown}}
    told = [_rendered(problem, lines[problem.line], columns) for problem in shown]
    if left := len(problems) - len(shown):
        told.append(f"and {left:,} more{elsewhere and f', which {elsewhere}'}")
    return "\n\n".join(told)


def dotted(path: Sequence[str | int]) -> str:
    """The path as TOML would write it: `mailboxes."info@a.com".hooks[0].cmd`."""
    parts: list[str] = []
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        else:
            bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
            parts.append(("." if parts else "") + (key if bare else f'"{key}"'))
    return "".join(parts)


def printable(text: str) -> str:
    """The text with what would move a cursor, hide or turn around written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _window(problem: Problem, line: str, width: int) -> tuple[str, str, str]:
    """The part of the line to show, what of it stands before the caret, and what is meant."""
    start = problem.where.column - 1
    first = max(0, start - width // 2) if len(line) > width else 0
    shown = "".join(map(_printable, line[first : first + width]))
    return shown, shown[: start - first], shown[start - first :][: problem.width]


def _without_secrets(line: str) -> str:
    return re.sub(_TO_HIDE, _hidden, line)


def _hidden(found: re.Match[str]) -> str:
    """As many stars, so that what is behind it stays where it is."""
    kept = found["user"] or found["key"] or ""
    return kept + "*" * (len(found[0]) - len(kept))


def _printable(character: str) -> str:
    """The character, unless a terminal would obey it instead of showing it."""
    return (
        character if character.isprintable() or character == "\t" else "\N{REPLACEMENT CHARACTER}"
    )


def _blank(text: str) -> str:
    """Nothing to see, as wide as the text: a tab stays one, a wide character is two spaces."""
    return "".join("\t" if c == "\t" else " " * _columns(c) for c in text)


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    import unicodedata  # Few manifests have wide characters beside what is wrong.

    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
