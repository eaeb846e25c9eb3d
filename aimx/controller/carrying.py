"""An instance and its running engine, and the one way to change both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import structlog

from aimx.controller.activation import EngineError, Running
from aimx.controller.amendments import Amendment
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.good import last_good
from aimx.controller.instance import Instance
from aimx.controller.pulse import Pulse
from aimx.controller.state import State
from aimx.controller.terms import UNWATCHED, Applied, Consent, Watched
from reconcilers.generations import Who
from reconcilers.intents import Intents, Pin
from reconcilers.receipt import Receipt
from reconcilers.report.saved import SavedPlan

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(slots=True)
class Carrying:
    """One instance and its running engine; every change of either goes through `changing`."""

    instance: Instance
    running: Running
    current: Callable[[], Compiled | None]  # What the engine runs on.
    state: State
    pulse: Pulse = field(default_factory=Pulse)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    # What was dealt with last: the digest of the sources, and what somebody said about them.
    _seen: tuple[str, Intents] | None = None
    _leaving: bool = False  # No step is begun any more.

    def nudge(self) -> None:
        """Look now, whatever was seen before."""
        self._seen = None
        self.nudged.set()

    @property
    def is_settled(self) -> bool:
        """All that was hinted at until now has been looked at: the conditions are of now."""
        return not self.nudged.is_set() and not self.changing.locked()

    async def _applied(
        self,
        expected: str | None,
        who: Who,
        consent: Consent,
        saved: SavedPlan | None = None,
        watched: Watched = UNWATCHED,
        pin: Pin | None = None,
        amendment: Amendment | None = None,
    ) -> Applied:
        loop = asyncio.get_running_loop()

        def stop() -> bool:
            return self._leaving or watched.stop()

        def stepped(receipt: Receipt, number: int, steps: int) -> None:
            loop.call_soon_threadsafe(self.pulse.beat)
            watched.progress(receipt, number, steps)

        minded = replace(watched, stop=stop, progress=stepped)
        apply = partial(
            self.instance.apply, expected, self.running, who, consent, minded, saved, pin, amendment
        )
        applied = await self._to_its_end(asyncio.to_thread(apply))
        self.state.applied(applied)
        summary = applied.summary
        log.info(
            "applied",
            generation=summary.generation,
            done=summary.done,
            failed=summary.failed,
            skipped=summary.skipped + summary.not_started,
            seconds=round(summary.seconds, 3),
            trouble=applied.trouble,
        )
        await self._refresh()
        return applied

    async def _to_its_end(self, work: Awaitable[T]) -> T:
        """What a thread does, also when cancelled: it needs the engine until it is done."""
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._leaving = True
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def _refresh(self) -> None:
        """The engine learns what is in no engine config: a key that is back, a new owner's uid."""
        roots, host = self.instance.roots, self.instance.host
        good = await asyncio.to_thread(last_good, host, roots)
        if good is None or good.gone:
            return
        wanted = await asyncio.to_thread(compiled, good.config, host, roots, self.current())
        if wanted == self.current():
            self.state.active(wanted)
            return
        try:
            await self.running.engine.prepare(wanted)
            await self.running.engine.commit()
        except EngineError as cause:
            self.state.inactive(str(cause))
        else:
            self.state.active(wanted)
