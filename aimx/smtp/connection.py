"""One connection: blocks come in, replies go out in one write a block, and nothing piles up."""

from __future__ import annotations

import asyncio
import math
import ssl
from abc import abstractmethod
from typing import ClassVar

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Session as Introduction

from aimx.metrics import table as metrics
from aimx.smtp.replies import CONTENT_TIMEOUT, IDLE_TIMEOUT, Reply

# Commands of one client that are taken in a row: some milliseconds.
_A_TURN = 500
# Seconds that a client has to shake hands for TLS.
_HANDSHAKE = 30.0


class Connection(SMTP, asyncio.BufferedProtocol):
    """aiosmtpd's SMTP without its stream and task: driven by the blocks that arrive.

    `take` works off what arrived. While `busy`, nothing is taken, and at most one block is read
    ahead; `resume` ends that.
    """

    session: Introduction  # What EHLO said.
    transport: asyncio.Transport | None  # None also while TLS begins.

    linger: ClassVar[float] = 5.0  # Seconds that a client has to hang up after our last word.

    # One for all: the loop asks for it, fills it and reports without a break between. A plain
    # Protocol would make the loop allocate 256 KiB for each block.
    _room = memoryview(bytearray(256 * 1024))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not aiosmtpd's constructor: it looks up all methods anew and makes a stream for each
        # connection, a third of a millisecond for what is never used here.
        self.loop = loop
        self.transport = None
        self.session = self._create_session()
        self.arrived = bytearray()
        self.busy = False
        self.leaving = False  # Our last word is said.
        self.deadline = math.inf  # When the content must have ended, in the loop's time.
        self._replies: list[bytes] = []
        self._congested = False  # The client does not read what we say.
        self._yielding = False  # There is more to take, when others have had their turn.
        self._half_closed = False  # The client has said its last word.
        self._over = False
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def take(self) -> bool:
        """Work off the next thing of `arrived`; False where it is not all there."""

    @abstractmethod
    def idle_timeout(self) -> float:
        """Seconds of silence that a client is granted."""

    @abstractmethod
    def ended(self) -> None:
        """The connection is no more, or will be in a moment. Called once, and not while busy."""

    # What we say.

    def say(self, reply: Reply) -> None:
        """Add to what goes out with the next `flush`."""
        self._replies.append(reply.encoded)

    def flush(self) -> None:
        if self._replies and self.transport is not None and not self.leaving:
            self.transport.write(b"".join(self._replies))
        self._replies.clear()

    def leave(self, reply: Reply, *, lingering: bool = False) -> None:
        """Say the last word and hang up.

        Lingering lets a client finish that is still talking: closing on unread bytes would reset
        the connection, and it might never see the reply.
        """
        if reply.code >= 400:
            metrics.REPLIES.count(str(reply.code))
        self._replies.append(reply.encoded)
        self.flush()
        self.leaving = True
        self.arrived.clear()
        if self.transport is None:
            return
        is_plain = self.transport.can_write_eof()
        if lingering and is_plain:
            self.transport.write_eof()
            self.transport.resume_reading()
        else:
            self.transport.close()
            if is_plain and not self.transport.get_write_buffer_size():
                # The loop closes it in its next turn. Meanwhile the client may come again: it has
                # our last word, and need not wait for more (RFC 5321 4.1.1.10).
                self._end()
                return
        self._watch(self.loop.time() + self.linger)

    # What the client does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._heard = self.loop.time()
        self._watch(self._heard + self.idle_timeout())

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self.leaving:
            return
        self._heard = self.loop.time()
        self.arrived += self._room[:nbytes]
        if self.busy:
            self._balance()
        else:
            self.work()

    def eof_received(self) -> bool:
        self._half_closed = True
        # What is in hand still gets its reply; TLS knows no half-closed connection.
        in_hand = self.busy or self._yielding
        return in_hand and self.transport is not None and self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if not self.busy:
            self._end()

    def pause_writing(self) -> None:
        self._congested = True
        self._balance()

    def resume_writing(self) -> None:
        self._congested = False
        if self._yielding:
            self.loop.call_soon(self._go_on)
        self._balance()

    # Going on.

    def work(self) -> None:
        """Take what can be taken, and say what is to be said."""
        for _ in range(_A_TURN):
            if not self.arrived or self.busy or self.leaving or not self.take():
                break
        else:
            # Others want their turn too.
            self._yielding = True
            self.loop.call_soon(self._go_on)
            self._balance()
        self.flush()

    def resume(self) -> None:
        """What kept us busy is done."""
        self.busy = False
        if self.transport is None:
            self._end()
            return
        self._heard = self.loop.time()
        self.work()
        self._balance()

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """Begin TLS; raises OSError. To be called while busy.

        RFC 3207 4.2: what the client said before is forgotten, and nothing that came in plain text
        is read as if it had come encrypted.
        """
        plain, self.transport = self.transport, None
        if plain is None or plain.is_closing():
            return
        self.arrived.clear()
        # From here to the handshake's end no byte reaches us: the TLS layer stands between.
        try:
            self.transport = await self.loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE
            )
        except BaseException:
            plain.abort()  # Not every failure has closed it.
            raise

    def watch_deadline(self, seconds: float) -> None:
        """The content must have ended by then."""
        self.deadline = self.loop.time() + seconds
        if self._timer is not None and self.deadline < self._timer.when():
            self._watch(self.deadline)

    def _end(self) -> None:
        # A handshake that fails is reported twice: by its own error, and then as a lost connection.
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self.ended()

    def _go_on(self) -> None:
        if self._congested:
            return  # More replies would pile up; `resume_writing` comes back here.
        self._yielding = False
        if self.transport is not None and not self.busy:
            self.work()
            self._balance()

    def _balance(self) -> None:
        """Read only while there is room for what comes, and for our replies to it."""
        if self.transport is None:
            return
        occupied = self.busy or self._yielding
        if self._half_closed and not occupied:
            self.transport.close()
        elif occupied or self._congested:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _watch(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        """Called when time may be up; being asked seldom is cheaper than a timer a command."""
        if self.leaving and self.transport is not None:
            self.transport.abort()
            return
        now, patience = self.loop.time(), self.idle_timeout()
        due = now + patience if self.busy else min(self._heard + patience, self.deadline)
        if due > now:
            self._watch(due)
        elif self._congested and self.transport is not None:
            # It would not hear our last word either.
            self.transport.abort()
        elif self.deadline <= now:
            self.leave(CONTENT_TIMEOUT, lingering=True)
        else:
            self.leave(IDLE_TIMEOUT)
