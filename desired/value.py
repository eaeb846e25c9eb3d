"""A value of a manifest in the one way of spacing and quoting."""

from __future__ import annotations

from desired.frozen import field, mutable
from desired.statements import TOKEN, key, names, string

_INDENT = "    "
# A manifest needs four; what is deeper was not written by hand, and stays as it is.
_DEEPEST = 32
_CLOSING = {"[": "]", "{": "}"}


@mutable
class _Item:
    """An entry of an array or an inline table, with the comments around it."""

    above: list[str]
    text: str
    behind: str = ""


@mutable
class _Group:
    """An array or an inline table on its way to being written."""

    opening: str
    depth: int
    items: list[_Item] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # Comments above what comes next.
    lines: bool = False  # Written over several lines.

    def written(self) -> str:
        closing = _CLOSING[self.opening]
        commented = self.waiting or any(item.above or item.behind for item in self.items)
        long = self.lines or any("\n" in item.text for item in self.items)
        if commented or (long and self.items and self.opening == "["):
            return f"{self.opening}\n{self._lines()}{_INDENT * self.depth}{closing}"
        inside = ", ".join(item.text for item in self.items)
        pad = " " if self.opening == "{" and inside else ""
        return f"{self.opening}{pad}{inside}{pad}{closing}"

    def _lines(self) -> str:
        lines: list[str] = []
        for item in self.items:
            behind = f"  {item.behind}" if item.behind else ""
            lines += [*item.above, f"{item.text},{behind}"]
        indent = _INDENT * (self.depth + 1)
        return "".join(f"{indent}{line}\n" for line in (*lines, *self.waiting))


def spaced(value: str) -> str:
    """The value with its spaces, quotes and line breaks as they should be."""
    return _Reader(value).value() if _depth(value) <= _DEEPEST else value


def _depth(value: str) -> int:
    deepest = depth = 0
    for found in TOKEN.finditer(value):
        depth += (found[0] in "[{") - (found[0] in "]}")
        deepest = max(deepest, depth)
    return deepest


class _Reader:
    """Reads one value, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [(found[0], found.start(), found.end()) for found in TOKEN.finditer(text)]
        self._at = 0
        self._depth = 0

    def value(self) -> str:
        if self._peek() in _CLOSING:
            return self._group()
        return _requoted(self._scalar())

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _group(self) -> str:
        group = _Group(self._peek(), self._depth)
        closing = _CLOSING[group.opening]
        self._at += 1
        self._depth += 1
        fresh = True  # Nothing stands in this line that a comment could belong to.
        while (mark := self._peek()) != closing:
            if mark == "\n":
                group.lines = fresh = True
                self._at += 1
            elif mark == ",":
                self._at += 1
            elif mark[0] == "#":
                self._comment(group, mark.rstrip(" \t\r"), fresh=fresh)
            else:
                group.items.append(_Item(group.waiting, self._entry(group.opening)))
                group.waiting = []
                fresh = False
        self._at += 1
        self._depth -= 1
        return group.written()

    def _comment(self, group: _Group, comment: str, *, fresh: bool) -> None:
        if fresh or group.items[-1].behind:
            group.waiting.append(comment)
        else:
            group.items[-1].behind = comment
        self._at += 1

    def _entry(self, opening: str) -> str:
        if opening == "[":
            return self.value()
        start = self._tokens[self._at][1]
        while self._peek() != "=":
            self._at += 1
        named = key(names(self._text[start : self._tokens[self._at][1]]))
        self._at += 1
        return f"{named} = {self.value()}"

    def _scalar(self) -> str:
        """A string, a number, a date: a date and its time may have a space between them."""
        start = end = self._tokens[self._at][1]
        while (mark := self._peek()) and mark[0] not in ",]}#\n":
            end = self._tokens[self._at][2]
            self._at += 1
        return self._text[start:end]


def _requoted(scalar: str) -> str:
    """A literal string as a basic one, where that needs no escape."""
    literal = scalar[0] == "'" and not scalar.startswith("'''")
    if literal and "\\" not in scalar and '"' not in scalar:
        return string(scalar[1:-1])
    return scalar
