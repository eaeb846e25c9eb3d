"""What differs between two desired states, setting by setting, as text that may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from desired.desired import Desired
from desired.frozen import fields
from desired.quantities import write_duration
from reconcilers.change import Field

# A manifest that is written anew would fill the screen; the rest is counted by its resources.
_TOLD = 40
_NOT_TOLD = frozenset({"digest", "sources", "spellings", "moved", "removed"})
# What comes to these, or goes, has a change of its own.
_RESOURCES = frozenset({"domains", "mailboxes"})


def contrast(
    before: Desired | None, after: Desired, *, most: int | None = _TOLD
) -> tuple[Field, ...]:
    """The settings that differ, but for those of resources that come and go."""
    if before is None or before is after:
        return ()
    return tuple(islice(_differing("", before, after), most))


def settings(value: Any) -> tuple[Field, ...]:
    """All that a value of the desired state sets, by name."""
    named = _fields(value) or {}
    return tuple(Field(name, "", _text(part)) for name, part in named.items() if name != "name")


def _differing(path: str, before: Any, after: Any) -> Iterator[Field]:
    if before is after or before == after:
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        yield Field(path, _text(before), _text(after))
        return
    for name in (*old, *(name for name in new if name not in old)):
        below = f"{path}.{name}" if path else name
        if name in old and name in new:
            yield from _differing(below, old[name], new[name])
        elif path not in _RESOURCES:
            yield Field(below, _text(old.get(name)), _text(new.get(name)))


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a value is made of by name; None for one that is shown as a whole."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and all(hasattr(part, "name") for part in value):
        return {str(part.name): part for part in value}
    return _fields(value)


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a value that has no text of its own."""
    kind: Any = type(value)
    named = fields(kind)
    if not named or kind.__str__ is not object.__str__:
        return None
    return {name: getattr(value, name) for name in named if name not in _NOT_TOLD}


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            return write_duration(value)
        case tuple():
            return f"[{', '.join(map(_text, value))}]"
        case bool():
            return str(value).lower()
        case _ if (named := _fields(value)) is None:
            return str(value)
        case _:
            return _named(named)


def _named(parts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_text(part)}" for name, part in parts.items() if name != "name")
