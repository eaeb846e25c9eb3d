"""One change to a manifest's text that keeps its comments, its order and its spacing.

What comes out has been read again, and says what was wanted. Every change is one that can be made
twice: what is there already is not added, and what is gone is not missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from desired.frozen import frozen
from desired.places import locate
from desired.problem import BYTE_ORDER_MARK, KeyPath, ManifestError, Problem, Source, dotted
from desired.rendering import block, line, rendered
from desired.splicing import Splicing, UnsafeError
from desired.tables import Tables, load, same


@frozen
class Put:
    """A key has this value. A table that is not there is made, and so is one above the key."""

    path: KeyPath
    value: Any


@frozen
class Delete:
    """Nothing stands under this path: no key, or no table with all that is below it."""

    path: KeyPath


@frozen
class Append:
    """The array has this item. A table becomes a `[[...]]` of its own."""

    path: KeyPath
    item: Any


@frozen
class Remove:
    """The array does not have this item."""

    path: KeyPath
    item: Any


@frozen
class Lead:
    """The array begins with this item, which it has already."""

    path: KeyPath
    item: Any


Edit: TypeAlias = Put | Delete | Append | Remove | Lead


@frozen
class Unsafe:
    """A change that only a person can make without losing anything: why, and what to write."""

    reason: str
    lines: str  # Empty where there is nothing to write, but something to take out.


def edit(source: Source, change: Edit) -> Source | Unsafe:
    """The source with one change made.

    Raises `ManifestError` where the source is no legal TOML. Whether what comes out is a manifest
    that makes sense is for `manifest.read` to say.
    """
    tables = load(source)
    if isinstance(tables, Problem):
        raise ManifestError([tables])
    try:
        wanted = _changed(tables, change)
        if same(wanted, tables):
            return source
        edited = Source(source.name, _spliced(source.raw, tables, change))
        _verify(edited, change, wanted)
    except UnsafeError as cause:
        return Unsafe(_told(source, change, str(cause)), cause.lines or _lines(tables, change))
    return edited


def _verify(edited: Source, change: Edit, wanted: Tables) -> None:
    found = load(edited)
    if isinstance(change, Delete | Remove) and not isinstance(found, Problem):
        # An empty table means what none means, and may stay behind or go along.
        wanted, found = _pruned(wanted, change.path), _pruned(found, change.path)
    if not same(found, wanted):
        raise UnsafeError("it is written in a way that cannot be edited")


def _spliced(raw: bytes, tables: Tables, change: Edit) -> bytes:
    mark = BYTE_ORDER_MARK if raw.startswith(BYTE_ORDER_MARK) else b""
    splicing = Splicing(raw[len(mark) :].decode("utf-8"))
    match change:
        case Put(path, value):
            splicing.put(path, value)
        case Delete(path):
            splicing.delete(path)
        case Append(path, item):
            splicing.append(path, item)
        case Remove(path, item):
            items = _at(tables, path)
            splicing.remove(path, _positions(items, item)[0])
        case Lead(path, item):
            splicing.lead(path, _positions(_at(tables, path), item)[0])
    return mark + splicing.text().encode("utf-8")


_ABSENT = object()


def _changed(tables: Tables, change: Edit) -> Any:
    """The tables with the change made: what the text must say afterwards."""
    match change:
        case Put(path, value):
            return _replaced(tables, path, lambda _: value)
        case Delete(path):
            return _replaced(tables, path, lambda _: _ABSENT)
        case Append(path, item):
            return _replaced(tables, path, lambda items: _appended(items, item))
        case Remove(path, item):
            return _replaced(tables, path, lambda items: _removed(items, item))
        case Lead(path, item):
            return _replaced(tables, path, lambda items: _led(items, item))


def _appended(items: Any, item: Any) -> Any:
    items = [] if items is _ABSENT else _array(items)
    return items if _positions(items, item) else [*items, item]


def _removed(items: Any, item: Any) -> Any:
    if items is _ABSENT:
        return items
    return [other for other in _array(items) if not same(other, item)]


def _led(items: Any, item: Any) -> Any:
    items = [] if items is _ABSENT else _array(items)
    if not _positions(items, item):
        raise UnsafeError("it does not have that entry")
    return [item, *_removed(items, item)]


def _positions(items: list[Any], item: Any) -> list[int]:
    return [index for index, other in enumerate(items) if same(other, item)]


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UnsafeError("it is not an array")
    return value


def _replaced(holder: Any, path: KeyPath, new: Callable[[Any], Any]) -> Any:
    """The holder with another value under the path; what the path does not touch is shared."""
    if not path:
        return new(holder)
    if holder is _ABSENT:
        below = _replaced(_ABSENT, path[1:], new)
        return _ABSENT if below is _ABSENT else {path[0]: below}
    if isinstance(holder, list):
        return _element_replaced(holder, path, new)
    if not isinstance(holder, dict):
        raise UnsafeError("what it would stand in is not a table")
    below = _replaced(holder.get(path[0], _ABSENT), path[1:], new)
    rest = {name: value for name, value in holder.items() if name != path[0]}
    if below is _ABSENT:
        return rest
    return {**holder, path[0]: below}


def _element_replaced(items: list[Any], path: KeyPath, new: Callable[[Any], Any]) -> list[Any]:
    index = path[0]
    if not isinstance(index, int) or not 0 <= index < len(items):
        raise UnsafeError("there is no such entry")
    below = _replaced(items[index], path[1:], new)
    return [*items[:index], *([] if below is _ABSENT else [below]), *items[index + 1 :]]


def _pruned(tables: Tables, path: KeyPath) -> Tables:
    """The tables without what is empty on the way to the path."""
    for length in range(len(path), 0, -1):
        found = _at(tables, path[:length])
        if found == {} or found == []:
            tables = _replaced(tables, path[:length], lambda _: _ABSENT)
    return tables


def _at(tables: Any, path: KeyPath) -> Any:
    for name in path:
        inside = isinstance(tables, dict) and name in tables
        if not inside and not (isinstance(tables, list) and name in range(len(tables))):
            return _ABSENT
        tables = tables[name]
    return tables


def _told(source: Source, change: Edit, reason: str) -> str:
    """What cannot be edited, where it stands, and what a person does."""
    prefixes = (change.path[:length] for length in range(len(change.path), 0, -1))
    places = filter(None, (locate((source,), prefix) for prefix in prefixes))
    where = next(places, source.name)
    told = f"{where}: `{dotted(change.path)}` is left as it is: {reason}"
    match change:
        case Put() | Append():
            return f"{told}; write it by hand"
        case Delete():
            return f"{told}; take it out by hand"
        case Remove(_, item):
            return f"{told}; take {rendered(item)} out by hand"
        case Lead(_, item):
            return f"{told}; put {rendered(item)} first by hand"


def _lines(tables: Tables, change: Edit) -> str:
    """What a person writes instead of us."""
    match change:
        case Delete() | Remove():
            return ""
        case Append(path, dict() as item) if _at(tables, path) in (_ABSENT, []):
            # Only what stands in one line with its table is left, and there a header cannot follow.
            return line(path[-1:], [item])
        case Append(_, item) | Lead(_, item):
            return rendered(item) + "\n"
        case Put(path, value):
            return _put_lines(path, value)


def _put_lines(path: KeyPath, value: Any) -> str:
    name = path[-1]
    if isinstance(name, int):
        return rendered(value) + "\n"
    if isinstance(value, dict):
        return block(path, value)
    return (block(path[:-1], {}) if path[:-1] else "") + line((name,), value)
