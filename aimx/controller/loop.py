"""The loop that keeps the machine at what the manifest says.

Level-triggered: a hint says that there may be something to do; what there is to do is found by
hashing the sources and looking at the machine. Nothing that goes wrong ends the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass

import structlog

from aimx.controller.asked import Asked
from aimx.controller.backoff import backoff
from aimx.controller.retention import Retention
from aimx.controller.sources import digest, watched
from aimx.controller.terms import EVERY, Applied, Consent, Review, StaleError
from aimx.controller.watch import Watch
from aimx.controller.whereabouts import Whereabouts
from desired.manifest import Reading
from desired.problem import ManifestError
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.intents import Intents, Pin
from reconcilers.safety import removes

log = structlog.get_logger()

# However often the manifest asks for it, the machine is not looked at all the time.
_SHORTEST_RESYNC = 1.0  # Seconds.


@dataclass(slots=True)
class Controller(Asked):
    """What is done about an instance by itself, and what somebody asks for."""

    _manifest: str = ""  # The digest of the sources as they were last.
    _complaint: str = ""  # What was wrong with the manifest when it was logged last.
    _failures: int = 0
    _due: float = 0.0  # When to look again though nothing changed, on the loop's clock.
    _leaving: bool = False  # No step is begun any more.

    async def run(self, debounce: float) -> None:
        """Turn at every hint, until cancelled; then an apply under way ends with its step."""
        watch = Watch(self._watched, debounce, self.nudged)
        retention = Retention(self.instance, self.carry_out)
        beside = [asyncio.create_task(job.run()) for job in (watch, retention)]
        try:
            while True:
                await self._hint()
                await self.turn()
        finally:
            self._leaving = True
            for job in beside:
                job.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def turn(self) -> None:
        """Deal with the sources as they are, if they changed or it is time."""
        try:
            async with self.changing:
                await self._looked()
        except StaleError:
            self.nudge()  # Something changed while we looked: what it is now counts.
        except ReconcileError as cause:
            self._failed(str(cause))
        except Exception as cause:
            log.exception("controller failed")
            self._failed(f"internal error: {type(cause).__name__}; the log has it")
        await asyncio.to_thread(self.state.save)
        self.pulse.beat()
        if not self.nudged.is_set():
            self.pulse.settled()

    def next_look(self) -> float:
        """In how many seconds it is time to look again, though nothing changes."""
        return max(self._due - _now(), 0.0)

    async def _hint(self) -> None:
        """Wait for a hint, or until it is time to look again, or only to show that we could."""
        try:
            async with asyncio.timeout(min(self.next_look(), self.pulse.every)):
                await self.nudged.wait()
        except TimeoutError:
            if _now() >= self._due:
                self._seen = None
        self.nudged.clear()

    async def _looked(self) -> None:
        intents = await asyncio.to_thread(self.instance.intents)
        self.state.intended(intents)
        try:
            await self._turn(intents)
        except ManifestError as cause:
            self._invalid(cause)
            if isinstance(intents.pin, Pin):
                await self._converge(await asyncio.to_thread(self.instance.in_force), intents)
            else:
                # The last good generation goes on, with the certificate as it is by now.
                await self._refresh()

    async def _turn(self, intents: Intents) -> None:
        """Look at the manifest on disk, also where another is in force."""
        try:
            sources = await asyncio.to_thread(self.instance.sources)
        except ManifestError:
            self._seen = None  # Whatever can be read next is new, the same bytes as before too.
            self.state.known("")
            raise
        found = digest(sources)
        if (found, intents) == self._seen:
            return
        self._seen = found, intents
        if found != self._manifest:
            self._manifest = found
            self.state.results = self.state.results.impatient()
        self.state.known(found)
        reading = await asyncio.to_thread(self.instance.read, sources)
        self.state.valid(reading)
        self._complaint = ""
        if intents.pin is not None:
            reading = await asyncio.to_thread(self.instance.in_force)
        await self._converge(reading, intents)

    async def _converge(self, reading: Reading, intents: Intents) -> None:
        """Do what may be done about the manifest that is in force."""
        self.state.attempted(reading)
        resync = reading.desired.controller.resync.total_seconds()
        self._due = _now() + max(resync, _SHORTEST_RESYNC)
        held = self.state.results.held(self.instance.host.now())
        whole = await asyncio.to_thread(self.instance.review, reading, Consent(EVERY, held=held))
        await self._act(reading, whole, held, suspended=intents.suspension is not None)
        self._wait_no_longer(intents)

    def _wait_no_longer(self, intents: Intents) -> None:
        """Than until something is to be tried again, or allowed again."""
        now = self.instance.host.now()
        waits = [self.state.results.next(now)]
        waits.append((intents.ends - now).total_seconds() if intents.ends else None)
        left = (_now() + max(wait, 0.0) for wait in waits if wait is not None)
        self._due = min([self._due, *left])

    async def _act(
        self, reading: Reading, whole: Review, held: Mapping[str, str], *, suspended: bool
    ) -> None:
        """Carry out what may be carried out without being asked; the rest waits and is shown."""
        automatic = await asyncio.to_thread(self.instance.automatic, reading.desired)
        removing = any(map(removes, whole.plan.changes))
        if suspended or automatic == "none":
            await self._refresh()
            self.state.pending(whole)
            await self._ask(reading if automatic == "none" or removing else None)
            return
        drifted = _only_reported(reading, whole)
        consent, allowed = Consent(EVERY, held=held, reported=drifted), whole
        if removing:
            consent = Consent(withheld=automatic == "safe", held=held, reported=drifted)
        if removing or drifted:
            allowed = await asyncio.to_thread(self.instance.review, reading, consent)
        due = self._is_due(reading, allowed)
        if due:
            applied = await self._applied(allowed.id, self._who(), consent)
            if not applied.summary.is_complete:
                self._not_complete(applied, held)
                return
        else:
            await self._refresh()
        self._failures = 0
        waits = removing and whole.id != allowed.id
        self.state.settled(allowed, applied=due, waits=waits)
        await self._ask(reading if waits else None)

    async def _ask(self, reading: Reading | None) -> None:
        """Show the plan that somebody may approve: all that is left, and all of it tried."""
        waiting = None
        if reading is not None:
            waiting = await asyncio.to_thread(self.instance.review, reading, Consent(EVERY))
        self.state.waiting(waiting)

    def _not_complete(self, applied: Applied, held: Mapping[str, str]) -> None:
        """What others do not stand on waits alone; for the rest all wait."""
        now = self.state.results.held(self.instance.host.now())
        if now.keys() - held.keys():
            self.nudge()
            self.state.failed(_first_reason(applied))
        else:
            self._failed(_first_reason(applied))

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


def _only_reported(reading: Reading, whole: Review) -> Set[str]:
    """Drift that no apply repairs by itself, where something else is to be done.

    The engine config holds what is wanted too, and is written with it.
    """
    pending = whole.plan.pending
    if reading.desired.policy.drift != "report" or all(change.drifted for change in pending):
        return frozenset()
    return {each.address for each in pending if each.drifted and each.kind != "config"}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first_reason(applied: Applied) -> str:
    return next((receipt.reason for receipt in applied.receipts if receipt.reason), "stopped")
