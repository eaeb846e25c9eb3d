"""Who does jobs for the loop, which must not wait: here, a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol, TypeVar

from aimx.controller.instance import Instance
from aimx.controller.sources import octets
from aimx.controller.watched import UNWATCHED, Watched
from aimx.controller.workplace import Engagement, Job, Workplace
from desired.frozen import field, frozen, replace
from reconcilers.host.host import ReconcileError
from reconcilers.roots import Roots
from reconcilers.unread import Count, uncounted

R = TypeVar("R")

# Octets of a manifest, or of what it was compiled to, from which it is read and planned aside:
# about a thousand mailboxes, over which a client waits for a turn of ours no longer than usual.
LARGE = 128 * 1024


class PlannerGoneError(ReconcileError):
    """Whoever did a job is no more. What was done stands, and the next apply finishes it."""

    def __init__(self, reason: str, taken: int = 0, steps: int = 0) -> None:
        far = f" after {taken} of {steps} steps" if steps else ""
        super().__init__(f"the planner process {reason}{far}; the next apply finishes what it left")
        self.taken = taken  # Steps that it told of.


class UndoneError(ReconcileError):
    """Nothing came of a job, for a reason that it does not foresee."""


class Planner(Protocol):
    """Who does jobs."""

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        """Do it to its end, also when cancelled: then as after `leave`.

        Raises `PlannerGoneError`, and what the job itself does not foresee.
        """

    def leave(self) -> None:
        """No step is begun any more, of no job."""


@frozen
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


@frozen
class BySize:
    """Small instances in a thread here, which is at once; large ones aside, where nobody waits.

    Half of an instance counts as the whole: what its manifest was compiled to may be what is large.
    """

    own: Planner
    aside: Planner
    roots: Roots
    most: int = LARGE

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        is_large = await asyncio.to_thread(octets, self.roots) > self.most
        return await (self.aside if is_large else self.own).do(job, watched)

    def leave(self) -> None:
        self.own.leave()
        self.aside.leave()
