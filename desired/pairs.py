"""Keys and values of a stretch of TOML, each with its place. What is no TOML is passed over."""

from __future__ import annotations

from collections.abc import Iterator

import tomli
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from desired.frozen import frozen
from desired.problem import KeyPath

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
class _Pair:
    """A key, as the names that it consists of, and its value."""

    names: tuple[tuple[str, Node], ...]
    key: Node
    value: Node

    def step(self, path: KeyPath) -> tuple[int, Place, Node]:
        """How many names of the path it has, where the last one stands, and what stands below."""
        same = 0
        while same < min(len(self.names), len(path)) and self.names[same][0] == path[same]:
            same += 1
        last = self.names[same - 1][1]
        key = Span(last.start_byte, last.end_byte)
        if same < len(self.names):
            return same, Place(key, key), self.key
        return same, Place(key, Span(self.value.start_byte, self.value.end_byte)), self.value


class Pairs:
    """What stands in one block; what a node holds is listed once, however often it is asked."""

    def __init__(self, raw: bytes) -> None:
        root = tree(raw)
        self._top = next((n for n in root.children if n.type.startswith("table")), root)
        self._items: dict[int, list[Node]] = {}
        self._named: dict[int, dict[KeyPath, _Pair]] = {}

    def descend(self, path: KeyPath) -> tuple[KeyPath, Place | None]:
        """Follow the path downwards, as far as it goes."""
        holder, done = self._top, 0
        place: Place | None = None
        while done < len(path):
            step = self._step(holder, path[done:])
            if step is None:
                break
            taken, place, holder = step
            done += taken
        return path[:done], place

    def _step(self, holder: Node, path: KeyPath) -> tuple[int, Place, Node] | None:
        """How far one item or pair leads, where it stands, and what stands below."""
        first = path[0]
        if isinstance(first, int):
            items = self._items_of(holder)
            if not 0 <= first < len(items):
                return None
            item = items[first]
            span = Span(item.start_byte, item.end_byte)
            return 1, Place(span, span), item
        pairs = self._pairs_of(holder)
        for length in range(len(path), 0, -1):
            if (pair := pairs.get(path[:length])) is not None:
                return pair.step(path)
        return None

    def _items_of(self, holder: Node) -> list[Node]:
        if holder.id not in self._items:
            items = [n for n in holder.named_children if n.type != "comment"]
            self._items[holder.id] = items if holder.type == "array" else []
        return self._items[holder.id]

    def _pairs_of(self, holder: Node) -> dict[KeyPath, _Pair]:
        """The first one that each path leads to, or into."""
        if holder.id not in self._named:
            found = self._named[holder.id] = {}
            for pair in _pairs(holder):
                names = tuple(name for name, _ in pair.names)
                for length in range(1, len(names) + 1):
                    found.setdefault(names[:length], pair)
        return self._named[holder.id]


def tree(raw: bytes) -> Node:
    """Of a whole source, or of a part."""
    return Parser(_LANGUAGE).parse(raw).root_node


def _pairs(holder: Node) -> Iterator[_Pair]:
    for node in holder.named_children:
        parts = [n for n in node.children if n.type not in ("comment", "=")]
        if node.type == "pair" and len(parts) >= 2 and (known := tuple(names(parts[0]))):
            yield _Pair(known, parts[0], parts[1])


def names(node: Node) -> Iterator[tuple[str, Node]]:
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
