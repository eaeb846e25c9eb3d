"""How long is waited: one timer for all who wait equally long."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Patience:
    """Ends what waits longer than so many seconds by a `TimeoutError`. One event loop's."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # All wait equally long, so that who came first is also the first whose time is up.
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def watch(self, waiting: asyncio.Future[Any]) -> None:
        """From now on."""
        loop = waiting.get_loop()
        self._forget_done()
        self._waiting.append((loop.time() + self.seconds, waiting))
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look)

    def _look(self) -> None:
        assert self._timer is not None
        loop = asyncio.get_running_loop()
        # What the timer was set for is due, whatever the clock's resolution.
        now = max(loop.time(), self._timer.when())
        while self._waiting and self._waiting[0][0] <= now:
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(TimeoutError())
        self._forget_done()
        due = self._waiting[0][0] if self._waiting else None
        self._timer = None if due is None else loop.call_at(due, self._look)

    def _forget_done(self) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
