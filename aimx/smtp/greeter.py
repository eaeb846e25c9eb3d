"""The sessions that are open, and the connections that become one."""

from __future__ import annotations

import asyncio
import socket

from aimx.metrics import table as metrics
from aimx.smtp.service import Service
from aimx.smtp.session import Session


class Greeter:
    """Takes accepted connections; all of its sessions run in one loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sessions: set[Session] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._sessions)

    def adopt(self, connection: socket.socket, peer: str) -> None:
        """Greet a client. The connection is ours from here on; `peer` is its address."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)  # noqa: FBT003 - it has no other name

        def ended() -> None:
            self._sessions.discard(session)
            if not self._sessions:
                self._empty.set()
            self._service.closed(peer)

        session = Session(loop, self._service, peer, ended)
        self._sessions.add(session)
        metrics.SESSIONS.count()
        self._empty.clear()
        if self._draining:
            session.drain()
        try:
            # As `connect_accepted_socket` does, but that takes a task, a future and two more turns.
            loop._make_socket_transport(connection, session)  # type: ignore[attr-defined]
        except OSError:
            # Gone already, before anything could be said.
            connection.close()
            session.ended()

    async def drain(self) -> None:
        """Let every session end after its transaction. Returns when the last one is gone."""
        self._draining = True
        for session in tuple(self._sessions):
            session.drain()
        await self._empty.wait()
