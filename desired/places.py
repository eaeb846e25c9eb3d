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

import tomli
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from desired.frozen import frozen
from desired.problem import BYTE_ORDER_MARK, KeyPath, Source, Where

_HEADER = re.compile(rb"^[ \t]*\[", re.MULTILINE)
# With an array of tables a header means more than it says, and in a string of several lines a line
# may look like one.
_MISLEADING = (b"[[", b'"""', b"'''")
_BARE = re.compile("[A-Za-z0-9_-]+")
_LANGUAGE = Language(tree_sitter_toml.language())


@frozen
class Span:
    """A stretch of bytes of a source."""

    start: int
    end: int


@frozen
class Place:
    """Where a path stands: its key, and its value. A header has no value of its own."""

    key: Span
    value: Span


@frozen
class _Block:
    """The pairs below one header, or above the first. Kept as bytes: a tree of all is large."""

    path: KeyPath
    span: Span


class Places:
    """The places of one source."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw.removeprefix(BYTE_ORDER_MARK)
        self._lines = [0, *(found.end() for found in re.finditer(b"\n", self._raw))]
        self._blocks: dict[KeyPath, list[_Block]] = {}
        self._headers: dict[KeyPath, Place] = {}

    def find(self, path: KeyPath) -> tuple[KeyPath, Place | None]:
        """The longest part of the path that stands in the source, and its place."""
        if not self._blocks:
            # What stands above the first header is found without looking at ten thousand others.
            header = _HEADER.search(self._raw)
            top = Span(0, header.start() if header else len(self._raw))
            found, place = self._within(_Block((), top), path)
            if found == path:
                return found, place
            if (named := self._named(path)) is not None:
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
        return best

    def show(self, path: KeyPath, file: str, *, key: bool) -> tuple[Where, str, int]:
        """The nearest place of a path: where, its line, and how many characters are meant."""
        found, place = self.find(path)
        if place is None:
            return Where(file), "", 1
        span = place.key if key or found != path else place.value
        number = bisect_right(self._lines, span.start)
        begin = self._lines[number - 1]
        end = self._lines[number] if number < len(self._lines) else len(self._raw)
        line = self._raw[begin:end].rstrip(b"\r\n")
        before = _text(line[: span.start - begin])
        meant = _text(line[span.start - begin : span.end - begin])
        return Where(file, number, len(before) + 1), _text(line), max(1, len(meant))

    def _index(self) -> None:
        repeated: dict[KeyPath, Iterator[int]] = {}
        current: dict[KeyPath, int] = {}
        root = Parser(_LANGUAGE).parse(self._raw).root_node
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
        for name, key in _names(keys) if keys else ():
            if path in current:
                path = (*path, current[path])
            path = (*path, name)
            span = Span(key.start_byte, key.end_byte)
            self._headers.setdefault(path, Place(span, span))
        return path, span

    def _within(self, block: _Block, path: KeyPath) -> tuple[KeyPath, Place | None]:
        text = self._raw[block.span.start : block.span.end]
        root = Parser(_LANGUAGE).parse(text).root_node
        holder = next((n for n in root.children if n.type.startswith("table")), root)
        found, place = _descend(holder, path[len(block.path) :])
        if place is None:
            return block.path, None
        by = block.span.start
        key, value = (Span(s.start + by, s.end + by) for s in (place.key, place.value))
        return block.path + found, Place(key, value)


def _descend(holder: Node, path: KeyPath) -> tuple[KeyPath, Place | None]:
    """Follow the path from a node's pairs downwards, as far as it goes."""
    done: KeyPath = ()
    place: Place | None = None
    while len(done) < len(path):
        step = _step(holder, path[len(done) :])
        if step is None:
            break
        taken, place, holder = step
        done += taken
    return done, place


def _step(holder: Node, path: KeyPath) -> tuple[KeyPath, Place, Node] | None:
    if isinstance(path[0], int):
        items = [n for n in holder.named_children if n.type != "comment"]
        if holder.type != "array" or not 0 <= path[0] < len(items):
            return None
        item = items[path[0]]
        span = Span(item.start_byte, item.end_byte)
        return path[:1], Place(span, span), item
    return max(_pairs(holder, path), key=lambda step: len(step[0]), default=None)


def _pairs(holder: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Place, Node]]:
    for pair in holder.named_children:
        parts = [n for n in pair.children if n.type not in ("comment", "=")]
        if pair.type != "pair" or len(parts) < 2:
            continue
        names = list(_names(parts[0]))
        same = 0
        while same < min(len(names), len(path)) and names[same][0] == path[same]:
            same += 1
        if same == 0:
            continue
        key = Span(names[same - 1][1].start_byte, names[same - 1][1].end_byte)
        whole = same == len(names)
        value = Span(parts[1].start_byte, parts[1].end_byte) if whole else key
        yield path[:same], Place(key, value), parts[1] if whole else parts[0]


def _names(node: Node) -> Iterator[tuple[str, Node]]:
    """The names that a key consists of, each with its node."""
    waiting = [node]
    while waiting:  # A dotted key nests to the left, as deep as it has dots.
        node = waiting.pop()
        if node.type == "dotted_key":
            waiting += reversed(node.named_children)
        elif node.type in ("bare_key", "quoted_key"):
            yield _name(node), node


def _name(node: Node) -> str:
    text = (node.text or b"").decode("utf-8", "replace")
    if node.type == "bare_key":
        return text
    try:
        return str(tomli.loads(f"key = {text}")["key"])
    except tomli.TOMLDecodeError:
        return text


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
