"""What a person asks for: an apply, an errand, a way back, an approval, a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from aimx.controller.amendments import Amendment
from aimx.controller.carrying import Carrying
from aimx.controller.pinned import Back
from aimx.controller.terms import (
    EVERY,
    UNWATCHED,
    Applied,
    Consent,
    Errand,
    Review,
    StaleError,
    Watched,
    is_meant,
)
from reconcilers.generations import Who
from reconcilers.intents import Intents, Pin, Suspension
from reconcilers.plan import Plan
from reconcilers.report.saved import SavedPlan


@dataclass(slots=True)
class Asked(Carrying):
    """The wishes that are more than a look; the loop looks again after each."""

    async def apply(
        self,
        expected: str | None,
        who: Who,
        consent: Consent,
        saved: SavedPlan | None = None,
        watched: Watched = UNWATCHED,
        amendment: Amendment | None = None,
    ) -> Applied:
        """Carry out a plan that somebody has seen; raises what `Instance.apply` raises."""
        async with self.changing:
            applied = await self._applied(
                expected, who, consent, saved, watched, amendment=amendment
            )
        self.nudge()
        return applied

    async def carry_out(
        self,
        planned: Callable[[], Plan],
        expected: str,
        who: Who,
        watched: Watched = UNWATCHED,
    ) -> Errand:
        """Carry out a plan that no manifest asks for; raises what `Instance.run` raises."""

        def stop() -> bool:
            return self._leaving

        minded = replace(watched, stop=stop)
        run = partial(self.instance.run, planned, expected, self.running, who, minded)
        async with self.changing:
            errand = await self._to_its_end(asyncio.to_thread(run))
        self.nudge()
        return errand

    async def review(
        self, consent: Consent, pin: Pin | None = None, amendment: Amendment | None = None
    ) -> Review:
        """What an apply would do now; raises `ManifestError`, `EditError` or `PinError`."""

        def look() -> Review:
            if amendment:
                return self.instance.proposing(amendment, consent)[1]
            return self.instance.review(self.instance.in_force(pin), consent)

        return await asyncio.to_thread(look)

    async def roll_back(
        self, back: Back, expected: str, who: Who, consent: Consent, watched: Watched = UNWATCHED
    ) -> tuple[Applied, Pin]:
        """Carry out a way back that somebody has seen, and go by it from now on."""
        async with self.changing:
            pin = await asyncio.to_thread(self.instance.back, back)
            applied = await self._applied(expected, who, consent, watched=watched, pin=pin)
        self.nudge()
        return applied, pin

    async def approve(self, said: str, who: Who, watched: Watched = UNWATCHED) -> Applied:
        """Carry out the plan that waits, if this is the one; else raises `StaleError`."""
        consent = Consent(EVERY)
        async with self.changing:
            review = await self.review(consent)
            if not is_meant(said, review.id):
                raise StaleError(review.plan)
            applied = await self._applied(review.id, who, consent, watched=watched)
        self.nudge()
        return applied

    async def suspend(self, suspension: Suspension) -> None:
        """Apply nothing by ourselves until then; an apply under way goes on to its end."""
        await asyncio.to_thread(self.instance.suspend, suspension)
        self.nudge()

    async def resume(self, who: Who) -> Intents:
        """Nothing is pinned or suspended any more; gives what was."""
        async with self.changing:
            held = await asyncio.to_thread(self.instance.resume, who)
        self.nudge()
        return held
