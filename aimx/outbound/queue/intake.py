"""A signed message becomes a letter: it is durable, whole, before anybody is told so.

Those that come in the same instant share one flush of the spool, and one of the database.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from aimx.outbound.keys import CallersKey, Found
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.ledger import Ledger
from aimx.outbound.queue.letters import Letters, Parcel
from aimx.outbound.turns import Turns

_MOST = 64  # Letters that are flushed together,
_MOST_OCTETS = 64 << 20  # and of how much content: the first one waits for the last.


class Intake:
    """The door of the spool; `ledger` is asked for when a letter is there, and raises `QueueError`
    where the queue is not open any more.
    """

    def __init__(self, turns: Turns, letters: Letters, ledger: Callable[[], Ledger]) -> None:
        self._turns = turns  # The database's.
        self._spool = Turns("spool")
        self._letters = letters
        self._ledger = ledger
        self._waiting: deque[Parcel] = deque()
        self._written: set[str] = set()
        self._failures: dict[str, OSError] = {}
        self._in_hand = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    async def take(
        self, parcel: Parcel, to: Callable[[str], str], key: CallersKey | None
    ) -> Found | None:
        """Take it whole, or leave nothing of it: it gives why not, where the key was used before,
        or raises `QueueError` or OSError. `to` says where a recipient's mail is taken.
        """
        self._in_hand += 1
        self._is_empty.clear()
        try:
            return await self._taken(parcel, to, key)
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._is_empty.set()

    async def empty(self) -> None:
        """Wait until nobody is on the way in."""
        await self._is_empty.wait()

    def close(self) -> None:
        self._spool.close()

    async def _taken(
        self, parcel: Parcel, to: Callable[[str], str], key: CallersKey | None
    ) -> Found | None:
        name = parcel.label.id
        self._waiting.append(parcel)
        await self._spool.take(self._write)
        if name not in self._written:
            raise self._failures.pop(name, None) or OSError("the letter was not written")
        self._written.discard(name)
        try:
            found = await self._turns.take(self._ledger().enqueue, parcel.label, to, key)
        except QueueError:
            await self._spool.take(self._letters.remove, name)
            raise
        if found is not None:
            await self._spool.take(self._letters.remove, name)
        return found

    def _write(self) -> None:
        """Whoever comes first writes all that waits; the others find that it is done."""
        if parcels := self._next():
            failures = self._letters.write(parcels)
            self._failures |= failures
            self._written |= {each.label.id for each in parcels} - failures.keys()

    def _next(self) -> Sequence[Parcel]:
        parcels: list[Parcel] = []
        room = _MOST_OCTETS
        while self._waiting and len(parcels) < _MOST and (room > 0 or not parcels):
            parcels.append(self._waiting.popleft())
            room -= len(parcels[-1].content)
        return parcels
