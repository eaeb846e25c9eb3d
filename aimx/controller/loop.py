"""The loop that keeps the machine at what the manifest says.

Level-triggered: a hint says that there may be something to do; what there is to do is found by
hashing the sources and looking at the machine. Nothing that goes wrong ends the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import structlog

from aimx.controller.activation import EngineError, Running
from aimx.controller.backoff import backoff
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.good import last_good
from aimx.controller.instance import UNWATCHED, Applied, Consent, Errand, Instance, Review, Watched
from aimx.controller.pulse import Pulse
from aimx.controller.sources import digest, watched
from aimx.controller.state import State
from aimx.controller.watch import Watch
from aimx.controller.whereabouts import Whereabouts
from desired.manifest import Reading
from desired.problem import ManifestError
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.plan import Plan
from reconcilers.receipt import Receipt
from reconcilers.report.saved import SavedPlan
from reconcilers.safety import removes

log = structlog.get_logger()

T = TypeVar("T")

# However often the manifest asks for it, the machine is not looked at all the time.
_SHORTEST_RESYNC = 1.0  # Seconds.


@dataclass(slots=True)
class Controller:
    """One instance and its running engine; every change of either goes through `changing`."""

    instance: Instance
    running: Running
    current: Callable[[], Compiled]  # What the engine runs on.
    state: State
    pulse: Pulse = field(default_factory=Pulse)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: str = ""  # The digest of the sources that were dealt with last.
    _complaint: str = ""  # What was wrong with the manifest when it was logged last.
    _failures: int = 0
    _due: float = 0.0  # When to look again though nothing changed, on the loop's clock.
    _leaving: bool = False  # No step is begun any more.

    async def run(self, debounce: float) -> None:
        """Turn at every hint, until cancelled; then an apply under way ends with its step."""
        watch = Watch(self._watched, debounce, self.nudged)
        watching = asyncio.create_task(watch.run())
        try:
            while True:
                await self._hint()
                await self.turn()
        finally:
            self._leaving = True
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def turn(self) -> None:
        """Deal with the sources as they are, if they changed or it is time."""
        try:
            async with self.changing:
                await self._looked()
        except ReconcileError as cause:
            self._failed(str(cause))
        except Exception as cause:
            log.exception("controller failed")
            self._failed(f"internal error: {type(cause).__name__}; the log has it")
        await asyncio.to_thread(self.state.save)
        self.pulse.beat()
        if not self.nudged.is_set():
            self.pulse.settled()

    async def apply(
        self,
        expected: str | None,
        who: Who,
        consent: Consent,
        saved: SavedPlan | None = None,
        watched: Watched = UNWATCHED,
    ) -> Applied:
        """Carry out a plan that somebody has seen; raises what `Instance.apply` raises."""
        async with self.changing:
            applied = await self._applied(expected, who, consent, saved, watched)
        self.nudge()
        return applied

    async def carry_out(self, planned: Callable[[], Plan], expected: str, who: Who) -> Errand:
        """Carry out a plan that no manifest asks for; raises what `Instance.run` raises."""

        def stop() -> bool:
            return self._leaving

        run = partial(self.instance.run, planned, expected, self.running, who, Watched(stop))
        async with self.changing:
            errand = await self._to_its_end(asyncio.to_thread(run))
        self.nudge()
        return errand

    async def review(self, consent: Consent) -> Review:
        """What an apply would do now; raises `ManifestError`."""

        def look() -> Review:
            return self.instance.review(self.instance.read(self.instance.sources()), consent)

        return await asyncio.to_thread(look)

    def nudge(self) -> None:
        """Look now, whatever was seen before."""
        self._seen = ""
        self.nudged.set()

    async def _hint(self) -> None:
        """Wait for a hint, or until it is time to look again, or only to show that we could."""
        left = max(self._due - _now(), 0.0)
        try:
            async with asyncio.timeout(min(left, self.pulse.every)):
                await self.nudged.wait()
        except TimeoutError:
            if _now() >= self._due:
                self._seen = ""
        self.nudged.clear()

    async def _looked(self) -> None:
        try:
            await self._turn()
        except ManifestError as cause:
            self._invalid(cause)
            # The last good generation goes on, with the certificate as it is by now.
            await self._refresh()

    async def _turn(self) -> None:
        try:
            sources = await asyncio.to_thread(self.instance.sources)
        except ManifestError:
            self._seen = ""  # Whatever can be read next is new, the same bytes as before too.
            raise
        found = digest(sources)
        if found == self._seen:
            return
        self._seen = found
        reading = await asyncio.to_thread(self.instance.read, sources)
        self.state.valid(reading)
        self._complaint = ""
        resync = reading.desired.controller.resync.total_seconds()
        self._due = _now() + max(resync, _SHORTEST_RESYNC)
        whole = await asyncio.to_thread(self.instance.review, reading, Consent())
        await self._act(reading, whole)

    async def _act(self, reading: Reading, whole: Review) -> None:
        """Carry out what may be carried out without being asked; the rest waits and is shown."""
        automatic = await asyncio.to_thread(self.instance.automatic, reading.desired)
        if automatic == "none":
            await self._refresh()
            self.state.pending(whole)
            self.state.waiting(whole)
            return
        consent = Consent(withheld=automatic == "safe")
        allowed = whole
        if consent.withheld and any(map(removes, whole.plan.changes)):
            allowed = await asyncio.to_thread(self.instance.review, reading, consent)
        due = self._is_due(reading, allowed)
        if due:
            applied = await self._applied(allowed.id, self._who(), consent)
            if not applied.summary.is_complete:
                self._failed(_first_reason(applied))
                return
        else:
            await self._refresh()
        self._failures = 0
        self.state.settled(whole, allowed, applied=due)

    def _is_due(self, reading: Reading, allowed: Review) -> bool:
        """Whether to apply: not where a rule refuses, or drift alone is only to be reported."""
        pending = allowed.plan.pending
        if allowed.plan.refused or not pending:
            return False
        reported = reading.desired.policy.drift == "report"
        return not (reported and all(change.drifted for change in pending))

    def _who(self) -> Who:
        user = self.instance.host.user()
        return Who(user.uid, user.name, "watch")

    async def _applied(
        self,
        expected: str | None,
        who: Who,
        consent: Consent,
        saved: SavedPlan | None = None,
        watched: Watched = UNWATCHED,
    ) -> Applied:
        loop = asyncio.get_running_loop()

        def stop() -> bool:
            return self._leaving or watched.stop()

        def stepped(receipt: Receipt, number: int, steps: int) -> None:
            loop.call_soon_threadsafe(self.pulse.beat)
            watched.progress(receipt, number, steps)

        minded = replace(watched, stop=stop, progress=stepped)
        apply = partial(self.instance.apply, expected, self.running, who, consent, minded, saved)
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
        wanted = await asyncio.to_thread(compiled, good.config, host, roots)
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

    def _invalid(self, cause: ManifestError) -> None:
        if str(cause) != self._complaint:
            self._complaint = str(cause)
            log.error("manifest is invalid", problems=len(cause.problems))
        self.state.invalid(cause)
        self._due = _now() + 3600.0

    def _failed(self, reason: str) -> None:
        """Try again later, each time later, unless something changes before."""
        self._failures += 1
        wait = backoff(self._failures)
        self._due = _now() + wait
        log.error("not converged", reason=reason, retry_seconds=round(wait, 1))
        self.state.failed(reason)

    def _watched(self) -> Whereabouts:
        return watched(self.instance.roots)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first_reason(applied: Applied) -> str:
    return next((receipt.reason for receipt in applied.receipts if receipt.reason), "stopped")
