"""Who does jobs for the loop, which must not wait: here, a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from aimx.controller.instance import Instance
from aimx.controller.terms import UNWATCHED, Count, Watched, uncounted
from aimx.controller.workplace import Engagement, Job, Workplace

R = TypeVar("R")


class Planner(Protocol):
    """Who does jobs."""

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        """Do it to its end, also when cancelled: then as after `leave`."""

    def leave(self) -> None:
        """No step is begun any more, of no job."""


@dataclass(frozen=True, slots=True)
class OwnThread:
    """Each job in a thread of this process."""

    instance: Instance
    engine: Engagement
    count: Count = uncounted
    _leaving: threading.Event = field(default_factory=threading.Event)

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        def stop() -> bool:
            return self._leaving.is_set() or watched.stop()

        at = Workplace(self.instance, self.engine, replace(watched, stop=stop), self.count)
        work = asyncio.ensure_future(asyncio.to_thread(job.done, at))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self.leave()  # It needs the engine until it is done.
            await asyncio.gather(work, return_exceptions=True)
            raise

    def leave(self) -> None:
        self._leaving.set()
