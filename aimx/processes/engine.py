"""The running engine: its processes, its sockets, and who is connected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from aimx.channel.control import Attempted, Authored, Closed, Outcome
from aimx.controller.activation import EngineError
from aimx.controller.compiled import Compiled
from aimx.hooks.dispatch import Dispatch
from aimx.hooks.firing import Fires
from aimx.hooks.queue import Queue
from aimx.placing.control import Firing, FiringsDue, Idle
from aimx.processes.accept import Acceptance
from aimx.processes.activation import RefusedError
from aimx.processes.crew import LEAVE_SECONDS, Crew
from aimx.processes.launch import launcher, sweep
from aimx.processes.listening import BindError, Listening
from aimx.processes.station import Placers, Station
from aimx.processes.submissions import Submissions
from aimx.processes.worker import Worker
from aimx.snapshot import Snapshot
from reconcilers.host.host import Reading
from reconcilers.roots import Roots

log = structlog.get_logger()


class Running:
    """What `serve` runs. It swaps to a new generation without losing a session."""

    def __init__(self, roots: Roots, host: Reading) -> None:
        self._station = Station(
            roots,
            host,
            Placers(self._placer_replaced, self._placer_gone, self._dismissed, self._placer_said),
        )
        self._crew = Crew(self._station, self._heard, self._lost)
        self._listening = Listening()
        self._acceptance = Acceptance(self._crew, lambda: self.snapshot.limits)
        self._tasks: set[asyncio.Task[None]] = set()
        self.submissions = Submissions(self._crew)
        runtime = Path(roots.runtime)
        sweep(runtime)
        self._queue = Queue(self._station.ask)
        fires = Fires(lambda: self.current.commands, launcher(runtime), roots.data, time.monotonic)
        self._dispatch = Dispatch(self._queue, fires.fire)
        self._dispatching: asyncio.Task[None] | None = None

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
        self._listening.prepare(compiled.endpoints)
        await self._crew.begin(compiled)
        self._dispatching = asyncio.get_running_loop().create_task(self._dispatch.serve())
        self._swap_listeners()

    async def prepare(self, compiled: Compiled) -> None:
        try:
            self._listening.prepare(compiled.endpoints)
            await self._crew.prepare(compiled)
        except (BindError, RefusedError) as cause:
            self._listening.drop()
            raise EngineError(str(cause)) from cause

    async def commit(self) -> None:
        await self._crew.commit()
        self._swap_listeners()

    async def drop(self) -> None:
        self._listening.drop()
        await self._crew.drop()

    async def leave(self) -> None:
        """Accept nobody any more, let everybody finish, and end."""
        await self._acceptance.close()
        self._listening.close()
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
            self._spawn(self._acceptance.leave(listener))

    def _heard(self, worker: Worker, message: Closed | Authored | Attempted | Outcome) -> None:
        match message:
            case Closed(peer):
                self._acceptance.closed(worker, peer)
            case Attempted():
                self._dispatch.offer(message)
            case Authored() | Outcome():
                self.submissions.heard(message)

    def _lost(self, worker: Worker) -> None:
        if worker.role == "inbound":
            self._acceptance.lost(worker)
        else:
            self.submissions.lost()

    def _dismissed(self, name: str) -> None:
        self._crew.dismiss(name)

    def _placer_said(
        self, message: FiringsDue | Firing | Idle, descriptors: tuple[int, ...]
    ) -> None:
        if isinstance(message, FiringsDue):
            self._dispatch.stir()
        else:
            self._queue.heard(message, descriptors)

    def _placer_gone(self) -> None:
        self._queue.placer_gone()

    def _placer_replaced(self) -> None:
        self._spawn(self._crew.reconnect())
        self._dispatch.stir()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
