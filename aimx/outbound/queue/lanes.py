"""How many attempts are under way: in all, to one destination, and to those that nobody reaches.

A destination that cannot be reached keeps an attempt waiting for minutes. However many of them
there are, they leave most of the room to the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from aimx.outbound.queue import schedule


@dataclass(slots=True)
class Broken:
    """A destination where nobody was reached at last."""

    failures: int = 0  # In a row.
    until: float = 0.0  # When it is tried next.


@dataclass(slots=True)
class Lanes:
    """The room, and who is in it."""

    most: int = 64
    most_to_one: int = 4
    most_broken: int = 16  # Of all, to destinations where nobody was reached at last.
    most_known: int = 10_000  # Of those; the one that has been broken for longest is forgotten.
    _under_way: Counter[str] = field(default_factory=Counter)
    _slow: Counter[str] = field(default_factory=Counter)  # Of those, begun on a broken one.
    _broken: dict[str, Broken] = field(default_factory=dict)  # By destination.

    @property
    def free(self) -> int:
        return self.most - self._under_way.total()

    def full(self) -> frozenset[str]:
        """Destinations that no further attempt may go to now."""
        busy = {to for to, number in self._under_way.items() if number >= self._most_to(to)}
        if self._slow.total() >= self.most_broken:
            busy |= self._broken.keys()
        return frozenset(busy)

    def broken(self, destination: str) -> Broken | None:
        """What is known of a destination where nobody was reached at last."""
        return self._broken.get(destination)

    def admits(self, destination: str) -> bool:
        return self.free > 0 and destination not in self.full()

    def begin(self, destination: str) -> bool:
        """Take a place; whether it is one of those for broken destinations."""
        self._under_way[destination] += 1
        slow = destination in self._broken
        if slow:
            self._slow[destination] += 1
        return slow

    def end(self, destination: str, *, slow: bool, reached: bool) -> None:
        """Give it back; `reached` says whether anybody was met there."""
        _less(self._under_way, destination)
        if slow:
            _less(self._slow, destination)
        if reached:
            self._broken.pop(destination, None)

    def put_off(self, destination: str, now: float, random: Random) -> float:
        """Nobody was reached there; gives when it is tried next.

        What was under way beside the first one, or came in before that time, fails for the same
        reason, and makes no pause longer.
        """
        broken = self._broken.setdefault(destination, Broken())
        if not now < broken.until <= now + schedule.UTMOST:
            broken.failures += 1
            broken.until = now + schedule.pause(broken.failures, random)
        if len(self._broken) > self.most_known:
            del self._broken[next(iter(self._broken))]
        return broken.until

    def _most_to(self, destination: str) -> int:
        return 1 if destination in self._broken else self.most_to_one


def _less(counter: Counter[str], destination: str) -> None:
    counter[destination] -= 1
    if not counter[destination]:
        del counter[destination]
