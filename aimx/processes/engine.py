"""The running engine: its processes, its sockets, and who is connected."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from aimx import logs
from aimx.channel.control import Answered, Attempted, Authored, Measured
from aimx.controller.activation import EngineError
from aimx.controller.compiled import Compiled
from aimx.controller.state import State
from aimx.hooks.dispatch import Dispatch
from aimx.hooks.firing import Fires
from aimx.hooks.queue import Queue
from aimx.metrics import table as metrics
from aimx.placing.control import FiringsDue
from aimx.processes.accept import Acceptance
from aimx.processes.activation import RefusedError, logging
from aimx.processes.crew import LEAVE_SECONDS, Crew
from aimx.processes.launch import launcher, sweep
from aimx.processes.listening import BindError, Listening
from aimx.processes.measuring import Measuring
from aimx.processes.scrapes import Scrapes
from aimx.processes.servants import Servants
from aimx.processes.station import Placers, Said, Station
from aimx.processes.submissions import Submissions
from aimx.processes.succession import Succession
from aimx.processes.worker import Worker
from aimx.snapshot import Snapshot
from reconcilers.host.host import Reading
from reconcilers.roots import Roots

log = structlog.get_logger()


class Running:
    """What `serve` runs. It swaps to a new generation without losing a session."""

    def __init__(self, roots: Roots, host: Reading, state: State) -> None:
        self._station = Station(
            roots,
            Placers(
                self._placer_replaced,
                self._placer_moved,
                self._placer_gone,
                self._dismissed,
                self._placer_said,
            ),
        )
        self._crew = Crew(self._station, Servants(host), self._heard, self._lost)
        self._measuring = Measuring(self._crew, self._station)
        self._scrapes = Scrapes(self._crew, self._measuring, state, self._present)
        self._listening = Listening()
        self._acceptance = Acceptance(self._crew, lambda: self.snapshot.limits)
        self._tasks: set[asyncio.Task[None]] = set()
        self.submissions = Submissions(self._crew)
        runtime = Path(roots.runtime)
        sweep(runtime)
        self._queue = Queue(self._station.tell)
        fires = Fires(lambda: self.current.commands, launcher(runtime), roots.data, time.monotonic)
        self._dispatch = Dispatch(self._queue, fires.fire)
        self._dispatching: asyncio.Task[None] | None = None
        self._succeeding: asyncio.Task[None] | None = None
        # There is a placer again. Its disk may have been away, and each mailbox for gone with it.
        self.recovered: Callable[[], None] = lambda: None

    @property
    def current(self) -> Compiled:
        """What new transactions run on, and new processes are started with."""
        assert self._crew.committed is not None
        return self._crew.committed

    @property
    def snapshot(self) -> Snapshot:
        return self.current.snapshot

    async def begin(self, compiled: Compiled) -> None:
        """Bind first, so that nothing is started in vain; accept last, so that nobody waits."""
        logs.change(compiled.log.level, compiled.log.format)
        self._listening.prepare(compiled.endpoints)
        await self._crew.begin(compiled)
        loop = asyncio.get_running_loop()
        self._dispatching = loop.create_task(self._dispatch.serve())
        self._succeeding = loop.create_task(Succession(self._crew).watch())
        self._swap_listeners()
        self._scrapes.begin(compiled.metrics)

    async def prepare(self, compiled: Compiled) -> None:
        try:
            self._listening.prepare(compiled.endpoints)
            self._scrapes.prepare(compiled.metrics)
            await self._crew.prepare(compiled)
        except (BindError, RefusedError) as cause:
            self._drop_listeners()
            raise EngineError(str(cause)) from cause

    async def commit(self) -> None:
        await self._crew.commit()
        self._swap_listeners()
        self._scrapes.commit()
        told = logging(self.current)
        logs.change(told.level, told.form)
        await self._station.tell(told)

    async def drop(self) -> None:
        self._drop_listeners()
        await self._crew.drop()

    async def leave(self) -> None:
        """Accept nobody any more, let everybody finish, and end."""
        self._acceptance.close()
        self._listening.close()
        if self._succeeding is not None:
            self._succeeding.cancel()
        await self._scrapes.close()
        await asyncio.gather(self._crew.leave(), self._leave_hooks())
        await self._station.close()

    async def _leave_hooks(self) -> None:
        if self._dispatching is not None:
            await self._dispatch.leave(LEAVE_SECONDS)
            self._dispatching.cancel()

    def _swap_listeners(self) -> None:
        new, old = self._listening.commit()
        for listener in new:
            self._acceptance.listen(listener)
        for listener in old:
            self._acceptance.leave(listener)

    def _drop_listeners(self) -> None:
        self._listening.drop()
        self._scrapes.drop()

    def _present(self) -> None:
        self._acceptance.count_out()
        metrics.CONNECTIONS.set(self._acceptance.gate.inside.total())
        metrics.RUNNING.set(self._dispatch.running)
        roles = Counter(worker.role for worker in self._crew.workers)
        roles["placer"] = int(bool(self._station.placer))
        for role in metrics.ROLES:
            metrics.PROCESSES.set(roles[role], role)

    def _heard(self, worker: Worker, message: Authored | Attempted | Answered | Measured) -> None:
        match message:
            case Measured():
                self._measuring.told(worker, message)
            case Attempted():
                self._dispatch.offer(message)
            case Authored() | Answered():
                self.submissions.heard(message)

    def _lost(self, worker: Worker) -> None:
        self._measuring.ended(worker.name)
        if worker.role == "inbound":
            self._acceptance.lost(worker)
        else:
            self.submissions.lost()

    def _dismissed(self, name: str) -> None:
        self._crew.dismiss(name)

    def _placer_said(self, message: Said, descriptors: tuple[int, ...]) -> None:
        match message:
            case FiringsDue():
                self._dispatch.stir()
            case Measured():
                self._measuring.placer_told(message)
            case _:
                self._queue.heard(message, descriptors)

    def _placer_gone(self) -> None:
        self._queue.placer_gone()

    def _placer_moved(self) -> None:
        # What the workers have open is on the disk that is away.
        self._crew.renew()
        self._placer_replaced()

    def _placer_replaced(self) -> None:
        self._spawn(self._crew.reconnect())
        self._dispatch.stir()
        self.recovered()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
