"""Accepting connections, and handing each to a worker."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from aimx.channel.control import Connection
from aimx.channel.packets import MalformedError
from aimx.processes.crew import Crew, next_to_serve
from aimx.processes.gate import Gate, reduced
from aimx.processes.worker import Worker, WorkerGoneError
from aimx.smtp.replies import SERVER_BUSY, TOO_MANY_CONNECTIONS
from aimx.snapshot import Limits

# How long to let be when there are no descriptors left, in seconds.
_PAUSE = 0.2
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = structlog.get_logger()


@dataclass(slots=True)
class Acceptance:
    """The listeners, one task each, and who is inside."""

    crew: Crew
    limits: Callable[[], Limits]
    gate: Gate = field(default_factory=Gate)
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
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as failure:
                # ECONNABORTED and the like are that client's; without descriptors we must wait.
                if failure.errno in _EXHAUSTED:
                    log.error("cannot accept connections", reason=failure.strerror)
                    await asyncio.sleep(_PAUSE)
                continue
            try:
                await self._admit(connection, reduced(address[0]))
            finally:
                connection.close()

    async def _admit(self, connection: socket.socket, peer: str) -> None:
        limits = self.limits()
        if not self.gate.admit(peer, limits.connections, limits.connections_per_address):
            log.info("connection refused", peer=peer, reason="too many")
            _say(connection, TOO_MANY_CONNECTIONS.encoded)
        elif not await self._hand(connection, peer):
            self.gate.leave(peer)
            _say(connection, SERVER_BUSY.encoded)

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


def _say(connection: socket.socket, reply: bytes) -> None:
    """The last word to a client; a full socket buffer is no reason to wait."""
    try:
        connection.send(reply, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        log.debug("refused client was gone already")
