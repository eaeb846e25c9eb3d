"""Something that there is only so much of, given out in the order in which it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """So many descriptors, or octets of memory, for everybody in one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, amount: int) -> AsyncIterator[None]:
        """Wait until there is so much, and hold it. Who asks for more than all gets all."""
        if not amount:
            yield
            return
        amount = min(amount, self._most)
        # Who waits here keeps the others behind it, so that small wishes do not starve a large one.
        async with self._turn:
            while self._left < amount:
                self._freed.clear()
                await self._freed.wait()
            self._left -= amount
        try:
            yield
        finally:
            self._left += amount
            self._freed.set()
