"""Where each key of a source stands, found only when there is something to report.

The loader decides what a source says; this second parser only points into it, goes on after
errors, and answers with the nearest place that it knows.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count

from tree_sitter import Node

from desired.frozen import frozen
from desired.pairs import Pairs, Place, Span, names, tree
from desired.problem import BYTE_ORDER_MARK, KeyPath, Source, Where

_HEADER = re.compile(rb"^[ \t]*\[", re.MULTILINE)
# With an array of tables a header means more than it says, and in a string of several lines a line
# may look like one.
_MISLEADING = (b"[[", b'"""', b"'''")
_BARE = re.compile("[A-Za-z0-9_-]+")
# Trees are large beside what they are of.
_STAY_READ = 4
# Whoever asks for more is better off with an index of all headers.
_SEARCHED = 16


@frozen
class _Block:
    """The pairs below one header, or above the first. Kept as bytes: a tree of all is large."""

    path: KeyPath
    span: Span


class _Line:
    """A line as it is shown."""

    def __init__(self, number: int, raw: bytes) -> None:
        self.number = number
        self.text = _text(raw)
        self._raw = raw

    def reach(self, octets: int) -> int:
        """How many characters these first octets of it are."""
        if len(self.text) == len(self._raw):
            return min(max(octets, 0), len(self._raw))
        return len(_text(self._raw[:octets]))


class Places:
    """The places of one source."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw.removeprefix(BYTE_ORDER_MARK)
        self._lines = [0, *(found.end() for found in re.finditer(b"\n", self._raw))]
        header = _HEADER.search(self._raw)
        self._top = _Block((), Span(0, header.start() if header else len(self._raw)))
        self._blocks: dict[KeyPath, list[_Block]] = {}
        self._headers: dict[KeyPath, Place] = {}
        self._read: dict[_Block, Pairs] = {}
        self._shown = _Line(0, b"")
        self._searches = 0

    def find(self, path: KeyPath) -> tuple[KeyPath, Place | None]:
        """The longest part of the path that stands in the source, and its place."""
        if not self._blocks:
            # What stands above the first header is found without looking at ten thousand others.
            found, place = self._within(self._top, path)
            if found == path:
                return found, place
            self._searches += 1
            if self._searches <= _SEARCHED and (named := self._named(path)) is not None:
                return path, named
            self._index()
        return self._nearest(path)

    def _named(self, path: KeyPath) -> Place | None:
        """The first header that leads to the path or further, where a search is sure to find it."""
        keys = [_spelled(name) for name in path if isinstance(name, str) and _plain(name)]
        if len(keys) < len(path) or len(keys) < 2 or any(map(self._raw.__contains__, _MISLEADING)):
            return None
        *above, last = keys
        pattern = rb"^[ \t]*\[[ \t]*%s(%s)[ \t]*[].]" % (
            b"".join(rb"%s[ \t]*\.[ \t]*" % key for key in above),
            last,
        )
        found = re.search(pattern, self._raw, re.MULTILINE)
        return Place(span := Span(*found.span(1)), span) if found else None

    def _nearest(self, path: KeyPath) -> tuple[KeyPath, Place | None]:
        best: tuple[KeyPath, Place | None] = ((), None)
        for length in range(len(path), -1, -1):
            prefix = path[:length]
            if length > len(best[0]) and prefix in self._headers:
                best = (prefix, self._headers[prefix])
            for block in self._blocks.get(prefix, ()):
                found, place = self._within(block, path)
                if len(found) > len(best[0]):
                    best = (found, place)
            if best[0] == path:
                break
        return best

    def show(self, path: KeyPath, file: str, *, key: bool) -> tuple[Where, str, int]:
        """The nearest place of a path: where, its line, and how many characters are meant."""
        found, place = self.find(path)
        if place is None:
            return Where(file), "", 1
        span = place.key if key or found != path else place.value
        number = bisect_right(self._lines, span.start)
        begin = self._lines[number - 1]
        line = self._line(number)
        before = line.reach(span.start - begin)
        meant = line.reach(span.end - begin) - before
        return Where(file, number, before + 1), line.text, max(1, meant)

    def _line(self, number: int) -> _Line:
        """The last one is kept: there may be as many faults in it as it is long."""
        if self._shown.number != number:
            begin = self._lines[number - 1]
            end = self._lines[number] if number < len(self._lines) else len(self._raw)
            self._shown = _Line(number, self._raw[begin:end].rstrip(b"\r\n"))
        return self._shown

    def _index(self) -> None:
        repeated: dict[KeyPath, Iterator[int]] = {}
        current: dict[KeyPath, int] = {}
        root = tree(self._raw)
        self._blocks[()] = [_Block((), Span(0, len(self._raw)))]
        first = True
        for node in root.children:
            if node.type not in ("table", "table_array_element"):
                continue
            if first:
                self._blocks[()] = [_Block((), Span(0, node.start_byte))]
                first = False
            path, last = self._header(node, current)
            if node.type == "table_array_element":
                current[path] = next(repeated.setdefault(path, count()))
                path = (*path, current[path])
                self._headers[path] = Place(last, last)
            block = _Block(path, Span(node.start_byte, node.end_byte))
            self._blocks.setdefault(path, []).append(block)

    def _header(self, node: Node, current: dict[KeyPath, int]) -> tuple[KeyPath, Span]:
        """The path that a header names, where every array means its latest element, and its end."""
        keys = next((child for child in node.named_children if child.type != "comment"), None)
        path: KeyPath = ()
        span = Span(node.start_byte, node.end_byte)
        for name, key in names(keys) if keys else ():
            if path in current:
                path = (*path, current[path])
            path = (*path, name)
            span = Span(key.start_byte, key.end_byte)
            self._headers.setdefault(path, Place(span, span))
        return path, span

    def _within(self, block: _Block, path: KeyPath) -> tuple[KeyPath, Place | None]:
        found, place = self._pairs(block).descend(path[len(block.path) :])
        if place is None:
            return block.path, None
        by = block.span.start
        key, value = (Span(s.start + by, s.end + by) for s in (place.key, place.value))
        return block.path + found, Place(key, value)

    def _pairs(self, block: _Block) -> Pairs:
        """Those asked for last stay read: most of what is wrong stands close together."""
        pairs = self._read.pop(block, None)
        if pairs is None:
            if len(self._read) == _STAY_READ:
                del self._read[next(iter(self._read))]
            pairs = Pairs(self._raw[block.span.start : block.span.end])
        self._read[block] = pairs
        return pairs


def _plain(name: str) -> bool:
    """Whether it is written as it is, between quotes of either kind."""
    return name.isprintable() and not any(mark in name for mark in "\"'\\")


def _spelled(name: str) -> bytes:
    """A pattern of the usual ways to write a key; one that needs escapes is not found by it."""
    literal = re.escape(name.encode())
    if _BARE.fullmatch(name):
        return rb"""(?:"%s"|'%s'|%s)""" % (literal, literal, literal)
    return rb"""(?:"%s"|'%s')""" % (literal, literal)


@lru_cache(maxsize=8)
def places(raw: bytes) -> Places:
    return Places(raw)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def locate(sources: Sequence[Source], path: KeyPath) -> Where | None:
    """Where the sources say so; None when none of them does."""
    for source in sources:
        known = places(source.raw)
        if known.find(path)[0] == path:
            return known.show(path, source.name, key=True)[0]
    return None
