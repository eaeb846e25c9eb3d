"""One at a time, in all processes that share a directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
from types import TracebackType

_AGAIN = 0.02  # Seconds until who waits looks again: that costs less than a thread that sleeps.


class Turn:
    """Held for the length of a block. Who dies in it has given it up."""

    def __init__(self, directory: int) -> None:
        """The directory's descriptor stays the caller's, who keeps it open."""
        self._directory = directory
        self._ours = asyncio.Lock()
        self._held = -1

    async def __aenter__(self) -> None:
        await self._ours.acquire()
        try:
            # Opened anew: who shares a descriptor shares its lock.
            self._held = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
            while not self._taken():
                await asyncio.sleep(_AGAIN)
        except BaseException:
            self._give_up()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give_up()

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _give_up(self) -> None:
        if self._held >= 0:
            os.close(self._held)
        self._held = -1
        self._ours.release()
