"""Messages that something is owed of: a few at a time, and once more where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_AT_ONCE = 8
_AGAIN = 10.0  # Seconds, after it failed.

log = structlog.get_logger()


class Tending:
    """`tend` does what is owed of a message; an exception says that it could not do all of it."""

    def __init__(
        self, tend: Callable[[str], Awaitable[None]], expected: tuple[type[Exception], ...]
    ):
        self._tend = tend
        self._expected = expected  # What says so without a defect of ours.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()  # Owed once more while they are tended.
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._leaving = False

    def owe(self, name: str) -> asyncio.Future[None]:
        """Tend it soon; what is given is done when that is over, however it went."""
        loop = asyncio.get_running_loop()
        task = self._tasks.get(name)
        if task is not None:
            self._again.add(name)
            return task
        if self._leaving:
            nothing = loop.create_future()
            nothing.set_result(None)
            return nothing
        task = self._tasks[name] = loop.create_task(self._tended(name))
        return task

    async def leave(self, seconds: float) -> None:
        """Finish what is under way, as far as that is possible in so long, and begin nothing.

        What is owed still is owed by whoever opens the queue next.
        """
        self._leaving = True
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks.values()), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _tended(self, name: str) -> None:
        try:
            async with self._gate:
                self._again.add(name)
                while name in self._again:
                    self._again.discard(name)
                    await self._tend(name)
        except self._expected as cause:
            log.warning("a mailbox is not told yet", trace=name, reason=str(cause))
            self._later(name)
        except Exception:
            log.exception("a mailbox is not told", trace=name)
            self._later(name)
        finally:
            del self._tasks[name]

    def _later(self, name: str) -> None:
        self._again.discard(name)
        if not self._leaving:
            asyncio.get_running_loop().call_later(_AGAIN, self.owe, name)
