"""A bounded memory of things that are true for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Expiring(Generic[Key, Value]):
    """Forgets what is past its time, and at the limit what was not asked for the longest."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> tuple[Value, float] | None:
        """The value, and the seconds that it still has."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, value = found
        left = until - self._clock()
        if left <= 0:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value, left

    def put(self, key: Key, value: Value, seconds: float) -> None:
        self._kept.pop(key, None)
        if seconds <= 0:
            return
        if len(self._kept) >= self._limit:
            self._kept.popitem(last=False)
        self._kept[key] = self._clock() + seconds, value
