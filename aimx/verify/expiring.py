"""A bounded memory of things that are true for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Expiring(Generic[Key, Value]):
    """Forgets what is past its time, and at the limit what was not asked for the longest.

    `limit` is for all weights together; a thing weighs one unless told otherwise.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._weight = 0
        self._kept: OrderedDict[Key, tuple[float, int, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> tuple[Value, float] | None:
        """The value, and the seconds that it still has."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, _, value = found
        left = until - self._clock()
        if left <= 0:
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return value, left

    def put(self, key: Key, value: Value, seconds: float, weight: int = 1) -> None:
        self._forget(key)
        if seconds <= 0 or weight > self._limit:
            return
        while self._weight + weight > self._limit:
            self._forget(next(iter(self._kept)))
        self._kept[key] = self._clock() + seconds, weight, value
        self._weight += weight

    def _forget(self, key: Key) -> None:
        if key in self._kept:
            self._weight -= self._kept.pop(key)[1]
