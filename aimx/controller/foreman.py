"""Who gives out jobs about an instance and its engine: one at a time that changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from aimx.controller.compiled import Compiled
from aimx.controller.instance import Instance
from aimx.controller.planner import Planner
from aimx.controller.pulse import Pulse
from aimx.controller.state import State
from aimx.controller.watched import UNWATCHED, Watched
from aimx.controller.workplace import Changed, Job
from aimx.metrics import table as metrics
from reconcilers.intents import Intents
from reconcilers.receipt import Receipt

log = structlog.get_logger()

R = TypeVar("R")
C = TypeVar("C", bound=Changed)


@dataclass(slots=True)
class Foreman:
    """One instance and its running engine; every change of either goes through `changing`."""

    instance: Instance
    planner: Planner
    current: Callable[[], Compiled | None]  # What the engine runs on.
    state: State
    pulse: Pulse = field(default_factory=Pulse)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    # What was dealt with last: the digest of the sources, what somebody said about them, and
    # whether the data directory was gone.
    _seen: tuple[str, Intents, str] | None = None
    _doubtful: bool = False  # A job was not done to its end, and an apply may have been one.

    def nudge(self) -> None:
        """Look now, whatever was seen before."""
        self._seen = None
        self.nudged.set()

    @property
    def is_settled(self) -> bool:
        """All that was hinted at until now has been looked at: the conditions are of now."""
        return not self.nudged.is_set() and not self.changing.locked()

    async def look(self, job: Job[R]) -> R:
        """Do a job that changes nothing, beside whatever else is done."""
        return await self.planner.do(job)

    async def carry_out(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        """Do a job that concerns no engine config, and never beside one that changes anything."""
        async with self.changing:
            try:
                return await self._done(job, watched)
            finally:
                self.nudge()

    async def change(self, job: Job[C], watched: Watched = UNWATCHED) -> C:
        """Do a job that may change the instance; the loop looks again after it."""
        async with self.changing:
            try:
                return await self._changed(job, watched)
            finally:
                self.nudge()

    async def _changed(self, job: Job[C], watched: Watched = UNWATCHED) -> C:
        changed = await self._done(job, watched)
        account = changed.account
        if account is not None:
            self.state.applied(account)
            metrics.APPLIES.count("complete" if account.summary.is_complete else "incomplete")
            metrics.APPLYING.observe(account.summary.seconds)
            log.info(
                "applied",
                generation=account.summary.generation,
                done=account.summary.done,
                failed=account.summary.failed,
                skipped=account.summary.skipped + account.summary.not_started,
                seconds=round(account.summary.seconds, 3),
                trouble=account.trouble,
            )
        current = self.current()
        if changed.refused:
            self.state.inactive(changed.refused)
        elif current is not None:
            self.state.active(current)
        return changed

    async def _done(self, job: Job[R], watched: Watched) -> R:
        loop = asyncio.get_running_loop()

        def stepped(receipt: Receipt, number: int, steps: int) -> None:
            loop.call_soon_threadsafe(self.pulse.beat)
            watched.progress(receipt, number, steps)

        doubtful, self._doubtful = self._doubtful, True
        done = await self.planner.do(job, replace(watched, progress=stepped))
        self._doubtful = doubtful
        return done
