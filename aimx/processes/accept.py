"""Accepting connections, and handing each to a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from aimx.channel.control import Connection
from aimx.channel.packets import MalformedError
from aimx.metrics import table as metrics
from aimx.processes.crew import Crew, next_to_serve
from aimx.processes.gate import Full, Gate, Refusals, reduced
from aimx.processes.listening import accepted, say
from aimx.processes.worker import Worker, WorkerGoneError
from aimx.smtp.replies import SERVER_BUSY, TOO_MANY_CONNECTIONS
from aimx.snapshot import Limits

log = structlog.get_logger()


@dataclass(slots=True)
class Acceptance:
    """The listeners, one task each, and who is inside."""

    crew: Crew
    limits: Callable[[], Limits]
    gate: Gate = field(default_factory=Gate)
    refusals: Refusals = field(default_factory=Refusals)
    _tasks: dict[socket.socket, asyncio.Task[None]] = field(default_factory=dict)

    def listen(self, listener: socket.socket) -> None:
        self._tasks[listener] = asyncio.create_task(self._accept(listener))

    async def leave(self, listener: socket.socket) -> None:
        """Accept nobody there any more, and close it."""
        task = self._tasks.pop(listener, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        listener.close()

    async def close(self) -> None:
        for listener in tuple(self._tasks):
            await self.leave(listener)

    def closed(self, worker: Worker, peer: str) -> None:
        """A client has left; raises `MalformedError` where it was not there."""
        if worker.connections[peer] <= 0:
            raise MalformedError("a worker has lost a client that it was not given")
        worker.connections[peer] -= 1
        if worker.connections[peer] <= 0:
            del worker.connections[peer]
        self.gate.leave(peer)

    def lost(self, worker: Worker) -> None:
        """A worker died, and with it its connections."""
        for peer in tuple(worker.connections.elements()):
            self.closed(worker, peer)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, address = await accepted(listener)
            try:
                await self._admit(connection, reduced(address))
            finally:
                connection.close()

    async def _admit(self, connection: socket.socket, peer: str) -> None:
        limits = self.limits()
        most = self.gate.obstacle(peer, limits.connections, limits.connections_per_address)
        if most is not None:
            self._refused(peer, most)
            say(connection, TOO_MANY_CONNECTIONS.encoded)
            return
        self.gate.enter(peer)
        if await self._hand(connection, peer):
            metrics.ACCEPTED.count()
        else:
            self._refused(peer, Full.PROCESSES)
            self.gate.leave(peer)
            say(connection, SERVER_BUSY.encoded)

    def _refused(self, peer: str, most: Full) -> None:
        metrics.REFUSED.count(most.value)
        now = asyncio.get_running_loop().time()
        if times := self.refusals.worth_a_line(peer, most, now):
            log.info("connection refused", peer=peer, reason=most.value, times=times)

    async def _hand(self, connection: socket.socket, peer: str) -> bool:
        """Pass it on; False where nobody is there to take it."""
        while (worker := next_to_serve(self.crew.of("inbound"))) is not None:
            worker.connections[peer] += 1
            try:
                await worker.tell(Connection(peer), (connection.fileno(),))
            except WorkerGoneError:
                # Its death takes it from the crew; what it had is counted out there, but not this.
                worker.connections[peer] -= 1
                await asyncio.sleep(0)
                continue
            return True
        return False
