"""Sessions kept open for a moment, since the next message may be for the same host.

A session is kept for whoever meets the same host, at the same address, in the same manners: what
one was told in TLS, or as somebody that the host knows, nobody else says in a session that is less.
Each is bounded in messages, in age and in the time that it waits, and all are in number.

So many have a session with one host at a time; who comes beyond that waits for one to come back, in
the order of coming, and has a session of its own where that takes too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from aimx.outbound.clear import Clear
from aimx.outbound.session import Manners, Peer, Session

# Postfix keeps one for two seconds: a host has others to serve, and an agent thinks longer.
IDLE_SECONDS = 5.0
# Hosts have limits of their own, and 100 is the commonest.
MOST_MESSAGES = 100
OLDEST_SECONDS = 300.0
MOST_IDLE = 32
# As many as the queue has attempts to one destination: more of them hosts take for a flood.
MOST_AT_ONCE = 4
LONGEST_WAIT_SECONDS = 10.0

_Place: TypeAlias = tuple[Peer, Manners]


class Sessions:
    """Those that nobody uses now, the one that has waited for longest first."""

    def __init__(
        self,
        *,
        most: int = MOST_IDLE,
        messages: int = MOST_MESSAGES,
        idle: float = IDLE_SECONDS,
        oldest: float = OLDEST_SECONDS,
        at_once: int = MOST_AT_ONCE,
        wait: float = LONGEST_WAIT_SECONDS,
    ) -> None:
        self._most, self._messages, self._idle, self._oldest = most, messages, idle, oldest
        self._at_once, self._wait = at_once, wait
        self.clear = Clear()
        self._gates: dict[_Place, tuple[asyncio.Semaphore, int]] = {}  # And who wants one.
        self._waiting: dict[Session, asyncio.TimerHandle] = {}  # Until when.
        self._leaving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def turn(self, peer: Peer, manners: Manners) -> AsyncIterator[None]:
        """Wait for one's turn with this host, but not for long."""
        place = (peer, manners)
        gate, wanted = self._gates.get(place) or (asyncio.Semaphore(self._at_once), 0)
        self._gates[place] = gate, wanted + 1
        has_turn = False
        try:
            try:
                async with asyncio.timeout(self._wait):
                    has_turn = await gate.acquire()
            except TimeoutError:
                pass  # The host is slow with the others: nobody waits for that.
            yield
        finally:
            if has_turn:
                gate.release()
            _, wanted = self._gates[place]
            if wanted == 1:
                del self._gates[place]
            else:
                self._gates[place] = gate, wanted - 1

    def take(self, peer: Peer, manners: Manners) -> Session | None:
        """One that is open; the caller alone has it then."""
        for session in reversed(list(self._waiting)):
            if (session.peer, session.manners) == (peer, manners):
                self._waiting.pop(session).cancel()
                if session.is_open:
                    return session
                session.hang_up()
        return None

    async def leave(self, session: Session) -> None:
        """The caller is done with it: it is kept for another, or ended."""
        if not session.is_open:
            session.hang_up()
        elif not self._most or self._is_spent(session):
            await session.quit()
        else:
            self._keep(session)

    async def close(self) -> None:
        """End all of them."""
        for session in list(self._waiting):
            self._end(session)
        await asyncio.gather(*self._leaving)

    def _is_spent(self, session: Session) -> bool:
        most = session.limit("MAILMAX") or self._messages
        return session.messages >= min(most, self._messages) or session.age >= self._oldest

    def _keep(self, session: Session) -> None:
        while len(self._waiting) >= self._most:
            self._end(next(iter(self._waiting)))
        loop = asyncio.get_running_loop()
        self._waiting[session] = loop.call_later(self._idle, self._end, session)

    def _end(self, session: Session) -> None:
        self._waiting.pop(session).cancel()
        task = asyncio.get_running_loop().create_task(session.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
