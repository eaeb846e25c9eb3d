"""How many steps are taken at a time, for whoever walks through them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Lanes(Protocol[T]):
    """Work that is begun, and ends in any order. Nobody but the walker begins or awaits it."""

    @property
    def number(self) -> int:
        """How much may be under way at a time; at least one."""

    def begin(self, work: Callable[[], T]) -> None:
        """Never more than `number` at a time."""

    def ended(self) -> T:
        """What came of the next that is done; raises what it raised. Waits where none is."""


class OneLane(Lanes[T]):
    """One thing after the other, here and now: the same order each time."""

    number = 1

    def __init__(self) -> None:
        self._begun: deque[Callable[[], T]] = deque()

    def begin(self, work: Callable[[], T]) -> None:
        self._begun.append(work)

    def ended(self) -> T:
        return self._begun.popleft()()
