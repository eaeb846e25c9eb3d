"""Something that there is only so much of, given out in the order in which it is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType


class Room:
    """So many descriptors, or octets of memory, for everybody in one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    def taken(self, amount: int) -> Taken:
        """Wait until there is so much, and hold it. Who asks for more than all gets all."""
        return Taken(self, min(amount, self._most))

    async def take(self, amount: int) -> None:
        # Who waits here keeps the others behind it, so that small wishes do not starve a large one.
        async with self._turn:
            while self._left < amount:
                self._freed.clear()
                await self._freed.wait()
            self._left -= amount

    def give_back(self, amount: int) -> None:
        self._left += amount
        self._freed.set()


@dataclass(slots=True)
class Taken:
    """So much of it, for as long as the block lasts. Nothing is taken at once, and costs little."""

    room: Room
    amount: int

    async def __aenter__(self) -> None:
        if self.amount:
            await self.room.take(self.amount)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.amount:
            self.room.give_back(self.amount)
