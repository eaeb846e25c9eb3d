"""What differs between two desired states, setting by setting, as text that may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from desired.desired import Desired
from desired.quantities import write_duration
from reconcilers.change import Field

# A manifest that is written anew would fill the screen; the rest is counted by its resources.
_TOLD = 40
_NOT_ASKED_FOR = frozenset({"digest", "sources", "spellings", "moved", "removed"})


def contrast(before: Desired | None, after: Desired) -> tuple[Field, ...]:
    """The settings that differ. Resources that come and go have changes of their own."""
    if before is None or before is after:
        return ()
    return tuple(islice(_differing("", before, after), _TOLD))


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


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a value is made of by name; None for one that is shown as a whole."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and value and all(hasattr(part, "name") for part in value):
        return {str(part.name): part for part in value}
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return {
            part.name: getattr(value, part.name)
            for part in fields(value)
            if part.name not in _NOT_ASKED_FOR
        }
    return None


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
        case _:
            return str(value)
