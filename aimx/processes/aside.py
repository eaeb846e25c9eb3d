"""The supervisor's side of the planner: a process for jobs, started at the first.

Nobody who waits for a client waits for it. It is gone a quarter of an hour after its last job.
Whenever it dies or falls silent the job at hand fails: what was done stands, and the next apply
finishes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aimx.channel.control import Leave
from aimx.controller.activation import Engine
from aimx.controller.compiled import Compiled
from aimx.controller.instance import Instance
from aimx.controller.watched import UNWATCHED, Watched
from aimx.controller.workplace import Job
from aimx.processes.delegate import Delegate, started
from aimx.processes.engaging import Engaging

# Without a job. An instance that nothing changes is looked at more often than that (`resync`), so
# that whoever edits it finds a planner that knows it.
KEPT_SECONDS = 900.0
# To read and plan a hundred thousand mailboxes on a slow machine takes a quarter of it, and each
# step is heard of.
SILENT_SECONDS = 120.0

R = TypeVar("R")


class Aside:
    """Does jobs in a process of their own, while there are any."""

    def __init__(
        self,
        instance: Instance,
        engine: Engine,
        current: Callable[[], Compiled | None],
        *,
        kept: float = KEPT_SECONDS,
        silent: float = SILENT_SECONDS,
    ) -> None:
        self._instance = instance
        self._engine = engine
        self._current = current
        self._kept = kept
        self._silent = silent
        self._delegate: Delegate | None = None
        self._starting = asyncio.Lock()
        self._leaving = False
        self._resting: asyncio.TimerHandle | None = None

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        delegate = await self._started()
        work = asyncio.ensure_future(delegate.do(job, watched))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self.leave()
            await asyncio.gather(work, return_exceptions=True)
            raise
        finally:
            self._rest()

    def leave(self) -> None:
        self._leaving = True
        if self._delegate is not None:
            self._delegate.post(Leave())

    async def close(self) -> None:
        """The process goes, whatever it is doing."""
        self._stay()
        if self._delegate is not None:
            await self._delegate.end("was ended")

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        delegate = self._delegate
        return delegate.process.pid if delegate is not None and delegate.is_open else None

    async def _started(self) -> Delegate:
        async with self._starting:
            self._stay()
            if self._delegate is None or not self._delegate.is_open:
                engaging = Engaging(self._engine, self._current)
                self._delegate = await started(self._instance, engaging, self._silent)
                if self._leaving:
                    self._delegate.post(Leave())
            return self._delegate

    def _stay(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _rest(self) -> None:
        """It goes unless there is something to do before long."""
        delegate = self._delegate
        if delegate is not None and delegate.is_idle:
            self._stay()
            self._resting = asyncio.get_running_loop().call_later(self._kept, delegate.dismiss)
