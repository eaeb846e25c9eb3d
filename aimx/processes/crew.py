"""The processes of the engine: started, supplied with a generation, and started again.

Who dies is replaced, later each time. A replacement gets the committed generation before its
first work, and the prepared one if there is one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from aimx.channel.control import (
    FROM_INBOUND,
    FROM_OUTBOUND,
    TO_INBOUND,
    TO_OUTBOUND,
    Placements,
)
from aimx.channel.messages import Vocabulary
from aimx.channel.packets import Kind, pair
from aimx.controller.compiled import Compiled
from aimx.processes.activation import RefusedError, commit, drop, prepare
from aimx.processes.servants import Servants
from aimx.processes.station import Station
from aimx.processes.worker import SilentError, Worker, WorkerGoneError
from reconcilers.host.host import Account

# How long a process may take to import what it needs, in seconds.
ARRIVE_SECONDS = 60.0
LEAVE_SECONDS = 30.0
_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # Before each start after a death, in seconds.
_CALM_SECONDS = 60.0  # Alive for so long, and earlier deaths are forgotten.

_SPOKEN: dict[str, tuple[Vocabulary, Vocabulary]] = {
    "inbound": (FROM_INBOUND, TO_INBOUND),
    "outbound": (FROM_OUTBOUND, TO_OUTBOUND),
}

log = structlog.get_logger()


@dataclass(slots=True)
class Crew:
    """All workers, and the generations that they run on."""

    station: Station
    servants: Servants
    heard: Callable[[Worker, Any], None]
    lost: Callable[[Worker], None]
    workers: list[Worker] = field(default_factory=list)
    committed: Compiled | None = None
    prepared: Compiled | None = None
    _leaving: bool = False
    _starting: set[Worker] = field(default_factory=set)
    _departing: set[Worker] = field(default_factory=set)  # Too many, and not gone yet.
    _adding: int = 0  # Inbound processes that are on their way, besides replacements.
    _deaths: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _replacements: dict[Worker, asyncio.Future[None]] = field(default_factory=dict)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def of(self, role: str) -> list[Worker]:
        return [worker for worker in self.workers if worker.role == role]

    async def begin(self, compiled: Compiled) -> None:
        """Start everybody on a generation; raises what a start can raise."""
        self.committed = compiled
        await self.station.open()
        roles = ["outbound"] + ["inbound"] * workers(compiled.workers)
        await asyncio.gather(*(self._start(role) for role in roles))

    async def prepare(self, compiled: Compiled) -> None:
        """Everybody loads the generation aside, or nobody does; raises `RefusedError`."""
        async with self._changing:
            self.prepared = compiled
            # All of them answer before anything else is asked of anybody.
            outcomes = await asyncio.gather(
                *(self._prepare(worker) for worker in tuple(self.workers)), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    await self._drop()
                    raise outcome

    async def commit(self) -> None:
        """Everybody swaps, the signer first; who cannot is replaced."""
        async with self._changing:
            self.committed, self.prepared = self.prepared, None
            for role in ("outbound", "inbound"):
                await asyncio.gather(*(self._commit(worker) for worker in self.of(role)))
            self._resize()

    async def drop(self) -> None:
        async with self._changing:
            await self._drop()

    async def succeed(self, worker: Worker) -> None:
        """Another one takes its place: before it goes, unless one at a time can work."""
        if worker.role == "outbound":
            await self._renewed(worker)
        elif await self._attempted(worker.role) and worker in self.workers:
            self.workers.remove(worker)
            self.workers.append(worker)  # It is the one that is too many.
            self._resize()

    async def leave(self) -> None:
        """Everybody finishes what is in hand and goes, but for the placer."""
        self._leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(worker.leave(LEAVE_SECONDS) for worker in self.workers))
        self.workers.clear()

    def _resize(self) -> None:
        """As many inbound processes as the generation asks for; who is too many drains and goes."""
        assert self.committed is not None
        have = self.of("inbound")
        coming = sum(worker.role == "inbound" for worker in self._replacements) + self._adding
        wanted = workers(self.committed.workers)
        for worker in have[wanted:]:
            self.workers.remove(worker)
            self._departing.add(worker)
            self._spawn(self._dismissed(worker))
        for _ in range(wanted - len(have) - coming):
            self._adding += 1
            self._spawn(self._added())

    async def _dismissed(self, worker: Worker) -> None:
        await worker.leave(LEAVE_SECONDS)
        self._departing.remove(worker)
        self.lost(worker)
        heir = next((each.user for each in self.of(worker.role)), worker.user)
        if heir.uid != worker.user.uid and self._beside(worker.role, heir) is None:
            with suppress(OSError):  # Else it is handed over when the next one is started.
                await self.station.hand_over(worker.role, heir)

    def _beside(self, role: str, user: Account) -> Account | None:
        """As whom others of a role run, be it only until they have gone."""
        users = (each.user for each in (*self.workers, *self._departing) if each.role == role)
        return next((each for each in users if each.uid != user.uid), None)

    async def _added(self) -> None:
        """One more inbound process, tried until it runs or is too many by now."""
        try:
            failures = 0
            while self._lacks_inbound() and not await self._attempted("inbound"):
                await asyncio.sleep(_PAUSES[min(failures + 1, len(_PAUSES) - 1)])
                failures += 1
        finally:
            self._adding -= 1

    def _lacks_inbound(self) -> bool:
        assert self.committed is not None
        return len(self.of("inbound")) < workers(self.committed.workers)

    async def _attempted(self, role: str) -> bool:
        try:
            await self._start(role)
        except (WorkerGoneError, SilentError, RefusedError, OSError) as failure:
            log.error("process could not be started", role=role, reason=str(failure))
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drop(self) -> None:
        self.prepared = None
        await drop(self.workers)

    async def _prepare(self, worker: Worker) -> None:
        """Ask; where it dies over it, its replacement is asked once."""
        assert self.prepared is not None
        try:
            try:
                await prepare(worker, self.prepared)
            except WorkerGoneError:
                # A replacement is given what is prepared before it counts as started.
                await self._replacements[worker]
        except (WorkerGoneError, SilentError) as failure:
            raise RefusedError(f"{failure} over the new generation") from failure

    async def _commit(self, worker: Worker) -> None:
        try:
            await commit(worker)
        except SilentError as failure:
            log.error("process did not swap", role=worker.role, reason=str(failure))
            worker.end()
            self._died(worker)
        except WorkerGoneError:
            pass  # Its replacement starts on what is committed.

    async def _start(self, role: str) -> Worker:
        speaks, understands = _SPOKEN[role]
        assert self.committed is not None
        user = self.servants.user(role, self.committed.users)
        process, channel = await self.station.start(role, user, self._beside(role, user))
        worker = Worker(role, user, process, speaks, understands, self.heard, self._died)
        self._starting.add(worker)
        try:
            await worker.arrived(channel, ARRIVE_SECONDS)
            await self.connect(worker)
            if role == "inbound":
                await worker.connect_departures()
            await self._supply(worker)
        except BaseException:
            worker.end()
            raise
        finally:
            self._starting.discard(worker)
        self.workers.append(worker)
        log.info("process started", role=role, pid=process.pid)
        return worker

    async def _supply(self, worker: Worker) -> None:
        """Bring it to where everybody is, and everybody may move on meanwhile."""
        committed: Compiled | None = None
        prepared: Compiled | None = None
        while committed is not self.committed or prepared is not self.prepared:
            if committed is not self.committed:
                committed, prepared = self.committed, None
                assert committed is not None
                await prepare(worker, committed)
                await commit(worker)
            elif self.prepared is not None:
                prepared = self.prepared
                await prepare(worker, prepared)
            else:
                prepared = None
                await drop([worker])

    async def connect(self, worker: Worker) -> None:
        """Give it a channel to the placer; one end each, and none stays here."""
        ours, theirs = pair(Kind.PLACING)
        try:
            await self.station.introduce(worker.name, worker.role, worker.user, theirs)
            await worker.tell(Placements(), (ours.fileno(),))
        finally:
            ours.close()
            theirs.close()

    async def reconnect(self) -> None:
        """The placer is a new one: everybody gets a new line."""
        for worker in (*self.workers, *self._starting):
            with suppress(WorkerGoneError):
                await self.connect(worker)

    def dismiss(self, name: str) -> None:
        """A worker that broke the rules is not to be believed; another takes its place."""
        for worker in tuple(self.workers):
            if worker.name == name:
                worker.end()
                self._died(worker)

    def renew(self) -> None:
        """Others take the place of all: they open anew what is on disk."""
        for worker in tuple(self.workers):
            if worker.role == "outbound":
                self._spawn(self._renewed(worker))
            else:
                self.dismiss(worker.name)

    async def _renewed(self, worker: Worker) -> None:
        """What is on its way to a host is answered first: else nobody knew who has it."""
        await worker.leave(LEAVE_SECONDS)
        self._died(worker)

    def _died(self, worker: Worker) -> None:
        self.lost(worker)
        if worker not in self.workers or self._leaving:
            return  # It has not begun, or nobody is to follow it.
        self.workers.remove(worker)
        self._replacements[worker] = attempt = asyncio.get_running_loop().create_future()
        self._spawn(self._replaced(worker, attempt))

    async def _replaced(self, worker: Worker, attempt: asyncio.Future[None]) -> None:
        """Start a replacement, and keep trying; `attempt` tells how the first try went."""
        while True:
            await asyncio.sleep(self._pause(worker.role))
            try:
                await self._start(worker.role)
            except (WorkerGoneError, SilentError, RefusedError, OSError) as failure:
                log.error("process could not be started", role=worker.role, reason=str(failure))
                if not attempt.done():
                    attempt.set_exception(failure)
                    attempt.exception()  # Whether anybody asks or not.
            else:
                break
        if not attempt.done():
            attempt.set_result(None)
        del self._replacements[worker]

    def _pause(self, role: str) -> float:
        deaths = self._deaths[role] = self._deaths.get(role, -1) + 1
        asyncio.get_running_loop().call_later(_CALM_SECONDS, self._forgive, role)
        return _PAUSES[min(deaths, len(_PAUSES) - 1)]

    def _forgive(self, role: str) -> None:
        self._deaths[role] = max(self._deaths[role] - 1, -1)


def workers(wanted: int | None) -> int:
    """How many inbound processes: for isolation two at least; more than four are no faster."""
    if wanted is not None:
        return wanted
    return min(max(len(os.sched_getaffinity(0)), 2), 4)
