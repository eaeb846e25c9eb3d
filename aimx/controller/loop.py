"""The loop that keeps the machine at what the manifest says.

Level-triggered: a hint says that there may be something to do; what there is to do is found by
hashing the sources and looking at the machine. Nothing that goes wrong ends the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from aimx.controller.backoff import backoff
from aimx.controller.foreman import Foreman
from aimx.controller.retention import Retention
from aimx.controller.sources import places
from aimx.controller.turn import Hindrance, Turn, Turned
from aimx.controller.watch import Watch
from aimx.controller.whereabouts import Whereabouts
from aimx.metrics.table import PLANNING
from desired.problem import ManifestError, digest
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.intents import Intents

log = structlog.get_logger()

# However often the manifest asks for it, the machine is not looked at all the time.
_SHORTEST_RESYNC = 1.0  # Seconds.
_UNTIL_IT_IS_MENDED = 3600.0  # Seconds; whoever mends a manifest changes it.


@dataclass(slots=True)
class Controller(Foreman):
    """What is done about an instance by itself, and what somebody asks for."""

    watch: Watch | None = None  # While it runs.
    _manifest: str = ""  # The digest of the sources as they were last.
    _complaints: tuple[str, ...] = ()  # What was wrong with the manifest, as it was logged last.
    _failures: int = 0
    _due: float = 0.0  # When to look again though nothing changed, on the loop's clock.

    async def run(self, debounce: float) -> None:
        """Turn at every hint, until cancelled; then an apply under way ends with its step."""
        self.watch = Watch(self._places, debounce, self.nudged)
        retention = Retention(self.instance, self.carry_out)
        beside = [asyncio.create_task(job.run()) for job in (self.watch, retention)]
        try:
            while True:
                await self._hint()
                await self.turn()
        finally:
            self.planner.leave()
            for job in beside:
                job.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

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

    def next_look(self) -> float:
        """In how many seconds it is time to look again, though nothing changes."""
        return self._due - _now()

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
        gone = await asyncio.to_thread(self.instance.absence)
        intents = await asyncio.to_thread(self.instance.intents)
        if not gone:  # What was said there is not taken back with its disk.
            self.state.intended(intents)
        found, unread = await asyncio.to_thread(self._sources)
        if (found or unread, intents, gone) == self._seen:
            return
        self._seen = found or unread, intents, gone
        edited = bool(found) and found != self._manifest
        likely = edited and bool(self._manifest)
        if edited:
            self._manifest = found
            self.state.results = self.state.results.impatient()
        self.state.known(found)
        held = self.state.results.held(self.instance.host.now())
        begun = _now()
        turned = await self._changed(Turn(self._who(), found, held, likely, self._doubtful))
        applying = turned.account.summary.seconds if turned.account else 0.0
        PLANNING.observe(max(_now() - begun - applying, 0.0))
        self._doubtful = self._doubtful and (turned.stale or bool(turned.failure))
        self._turned(turned, held)
        self._wait_no_longer(intents)

    def _sources(self) -> tuple[str, str]:
        """What tells one content of the sources from another, or else why there is none."""
        try:
            return digest(self.instance.sources()), ""
        except ManifestError as cause:
            return "", str(cause)

    def _turned(self, turned: Turned, held: Mapping[str, str]) -> None:
        """What came of a turn, told, and when to look again."""
        if turned.stale:
            self.nudge()  # Something changed while we looked: what it is now counts.
            return
        self.state.found(turned.findings)
        if turned.complaints != self._complaints:
            self._complaints = found = turned.complaints
            if found:
                log.error("manifest is invalid", problems=len(found), first=found[0])
        self._due = _now() + _UNTIL_IT_IS_MENDED
        if turned.attempted:
            self.state.last_attempted = turned.attempted
            self.state.aged(turned.aged)
            self._due = _now() + max(turned.resync, _SHORTEST_RESYNC)
        if self.watch is not None and turned.debounce is not None:
            self.watch.debounce = turned.debounce  # From the next time that it watches anew.
        if not turned.failure:
            self._failures = 0
        elif self._held_back(held):
            self.nudge()
            self.state.failed(turned.failure)
        else:
            self._failed(turned.failure, turned.hindrance)

    def _held_back(self, before: Mapping[str, str]) -> bool:
        """Whether what failed waits alone: what does not stand on it is tried without it."""
        now = self.state.results.held(self.instance.host.now())
        return bool(now.keys() - before.keys())

    def _wait_no_longer(self, intents: Intents) -> None:
        """Than until something is to be tried again, or allowed again."""
        now = self.instance.host.now()
        waits = [self.state.results.next(now)]
        waits.append((intents.ends - now).total_seconds() if intents.ends else None)
        left = (_now() + wait for wait in waits if wait is not None)
        self._due = min([self._due, *left])

    def _who(self) -> Who:
        user = self.instance.host.user()
        return Who(user.uid, user.name, "watch")

    def _failed(self, reason: str, hindrance: Hindrance = "ApplyFailed") -> None:
        """Try again later, each time later, unless something changes before."""
        self._failures += 1
        wait = backoff(self._failures)
        self._due = _now() + wait
        log.error("not converged", reason=reason, retry_seconds=round(wait, 1))
        self.state.failed(reason, hindrance)

    def _places(self) -> Whereabouts:
        return places(self.instance.roots)


def _now() -> float:
    return asyncio.get_running_loop().time()
