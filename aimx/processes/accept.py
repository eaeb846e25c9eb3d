"""Accepting connections, and handing each to a worker."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from aimx.channel.control import Connection
from aimx.channel.packets import MalformedError
from aimx.metrics import table as metrics
from aimx.processes.crew import Crew
from aimx.processes.gate import Full, Gate, Refusals, reduced
from aimx.processes.listening import PAUSE, taken, turn_away
from aimx.processes.rota import next_to_serve
from aimx.processes.worker import Worker, WorkerGoneError
from aimx.smtp.replies import SERVER_BUSY, TOO_MANY_CONNECTIONS
from aimx.snapshot import Limits

# Clients that are let in in a row: some milliseconds.
_A_TURN = 64

log = structlog.get_logger()


@dataclass(slots=True)
class Acceptance:
    """The listeners, and who is inside.

    The loop calls as long as somebody waits at a listener: a task of each would be woken a turn
    later, and would cost more than the accepting.
    """

    crew: Crew
    limits: Callable[[], Limits]
    gate: Gate = field(default_factory=Gate)
    refusals: Refusals = field(default_factory=Refusals)
    _serving: set[Worker] = field(default_factory=set)  # Who has been given clients.
    # What ends the rest of those where we do not accept at the moment.
    _listeners: dict[socket.socket, asyncio.TimerHandle | None] = field(default_factory=dict)

    def listen(self, listener: socket.socket) -> None:
        self._listeners[listener] = None
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def leave(self, listener: socket.socket) -> None:
        """Accept nobody there any more, and close it."""
        if listener in self._listeners:
            resting = self._listeners.pop(listener)
            if resting is not None:
                resting.cancel()
            asyncio.get_running_loop().remove_reader(listener)
        listener.close()

    def close(self) -> None:
        for listener in tuple(self._listeners):
            self.leave(listener)

    def count_out(self) -> None:
        """Those who have left since. A process does not wake us for each: who asks looks here."""
        for worker in tuple(self._serving):
            try:
                for peer in worker.left():
                    self._left(worker, peer)
            except MalformedError as failure:
                worker.break_off(str(failure))

    def lost(self, worker: Worker) -> None:
        """A worker died, and with it its connections."""
        for peer in tuple(worker.connections.elements()):
            self._left(worker, peer)
        self._serving.discard(worker)

    def _left(self, worker: Worker, peer: str) -> None:
        if worker.connections[peer] <= 0:
            raise MalformedError("a worker has lost a client that it was not given")
        worker.connections[peer] -= 1
        if worker.connections[peer] <= 0:
            del worker.connections[peer]
        self.gate.leave(peer)

    def _accept(self, listener: socket.socket) -> None:
        """Let in who waits there; then the rest of the loop has its turn."""
        self.count_out()
        for _ in range(_A_TURN):
            try:
                arrived = taken(listener)
            except OSError:
                self._rest(listener)
                return
            if arrived is None:
                return
            descriptor, address = arrived
            try:
                self._admit(descriptor, reduced(address))
            finally:
                os.close(descriptor)

    def _rest(self, listener: socket.socket) -> None:
        """Who comes waits at the listener for a moment."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        self._listeners[listener] = loop.call_later(PAUSE, self.listen, listener)

    def _admit(self, descriptor: int, peer: str) -> None:
        if (most := self._obstacle(peer)) is not None:
            self._refused(peer, most)
            turn_away(descriptor, TOO_MANY_CONNECTIONS.encoded)
        elif (worker := self._hand(descriptor, peer)) is not None:
            self.gate.enter(peer)
            worker.connections[peer] += 1
            self._serving.add(worker)
            metrics.ACCEPTED.count()
        else:
            self._refused(peer, Full.PROCESSES)
            turn_away(descriptor, SERVER_BUSY.encoded)

    def _obstacle(self, peer: str) -> Full | None:
        limits = self.limits()
        most = limits.connections, limits.connections_per_address
        if self.gate.obstacle(peer, *most) is None:
            return None
        self.count_out()  # Since then somebody may have left, and come again.
        return self.gate.obstacle(peer, *most)

    def _refused(self, peer: str, most: Full) -> None:
        metrics.REFUSED.count(most.value)
        now = asyncio.get_running_loop().time()
        if times := self.refusals.worth_a_line(peer, most, now):
            log.info("connection refused", peer=peer, reason=most.value, times=times)

    def _hand(self, descriptor: int, peer: str) -> Worker | None:
        """Pass it on, and give to whom; None where nobody is there to take it."""
        candidates = self.crew.of("inbound")
        while (worker := self._next(candidates)) is not None:
            try:
                # Where it does not read, no more can queue than it may have clients.
                worker.post(Connection(peer), (descriptor,))
            except (WorkerGoneError, OSError):
                # It is gone, and its death tells of those before; or too many are on their way.
                candidates.remove(worker)
            else:
                return worker
        return None

    def _next(self, candidates: Sequence[Worker]) -> Worker | None:
        if (worker := next_to_serve(candidates)) is not None or not candidates:
            return worker
        self.count_out()  # As before any refusal.
        return next_to_serve(candidates)
