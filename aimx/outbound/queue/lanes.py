"""How many attempts are under way: in all, to one destination, and to those that nobody reaches.

A destination that cannot be reached keeps an attempt waiting for minutes. However many of them
there are, they leave most of the room to the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lanes:
    """The room, and who is in it."""

    most: int = 64
    most_to_one: int = 4
    most_broken: int = 16  # Of all, to destinations that nobody was reached at last.
    _under_way: Counter[str] = field(default_factory=Counter)
    _slow: Counter[str] = field(default_factory=Counter)  # Of those, begun on a broken one.
    _failures: Counter[str] = field(default_factory=Counter)  # In a row, by destination.

    @property
    def free(self) -> int:
        return self.most - self._under_way.total()

    def full(self) -> frozenset[str]:
        """Destinations that no further attempt may go to now."""
        busy = {to for to, number in self._under_way.items() if number >= self._most_to(to)}
        if self._slow.total() >= self.most_broken:
            busy |= self._failures.keys()
        return frozenset(busy)

    def failures(self, destination: str) -> int:
        """How often in a row nobody was reached there."""
        return self._failures[destination]

    def admits(self, destination: str) -> bool:
        return self.free > 0 and destination not in self.full()

    def begin(self, destination: str) -> bool:
        """Take a place; whether it is one of those for broken destinations."""
        self._under_way[destination] += 1
        slow = destination in self._failures
        if slow:
            self._slow[destination] += 1
        return slow

    def end(self, destination: str, *, slow: bool, reached: bool | None) -> None:
        """Give it back; `reached` says whether anybody was met there, if it was tried."""
        _less(self._under_way, destination)
        if slow:
            _less(self._slow, destination)
        if reached:
            self._failures.pop(destination, None)
        elif reached is False:
            self._failures[destination] += 1

    def _most_to(self, destination: str) -> int:
        return 1 if destination in self._failures else self.most_to_one


def _less(counter: Counter[str], destination: str) -> None:
    counter[destination] -= 1
    if not counter[destination]:
        del counter[destination]
