"""Whose turn it is in a session: a command's, a content's, or ours."""

from __future__ import annotations

import asyncio
import math
import ssl
import traceback
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, ClassVar

import structlog

from aimx.channel import trace
from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.metrics import table as metrics
from aimx.smtp import replies
from aimx.smtp.connection import Connection
from aimx.smtp.content import Malformed
from aimx.smtp.lines import CommandLines, Unusable
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received, Service
from aimx.smtp.states import State, follow
from aimx.smtp.transaction import Arrival, Transaction

# Octets that hold the header of nearly every message.
_HEADER = 64 * 1024
# Octets of a message that is read in its turn: of such, few at a time would fill the memory.
_HUGE = 4 * 1024 * 1024
_HTTP = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PATCH", b"DELETE"})

log = structlog.get_logger()


class Dialogue(Connection):
    """Takes commands to the methods `smtp_*`, and messages to the service."""

    # aiosmtpd's way to name them, looked up once and not for each connection.
    commands: ClassVar[dict[bytes, Callable[..., Coroutine[Any, Any, None]]]]

    envelope: Transaction | None  # None where no transaction is open.

    def __init_subclass__(cls) -> None:
        cls.commands = {
            name.removeprefix("smtp_").encode(): getattr(cls, name)
            for name in dir(cls)
            if name.startswith("smtp_")
        }

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        peer: str,
        ended: Callable[[], None],
    ) -> None:
        super().__init__(loop)
        self.envelope = None
        self.service = service
        self.peer = peer
        self.encrypted = False
        self._ended = ended
        self._state = State.GREETED
        self._said = replies.OK
        self._errors = 0
        self._lines = CommandLines(service.current().limits.command_line)
        self._arrival: Arrival | None = None  # None outside DATA.
        self._draining = False
        self._task: asyncio.Task[None] | None = None  # Kept, since the loop does not keep it.

    def drain(self) -> None:
        """Let the transaction that is open come to its end, then say goodbye."""
        self._draining = True
        if self.transport is not None and not self.leaving:
            self.work()

    # What a connection asks of us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._draining:
            self.say(replies.greeting(self.service.current().hostname))
        self.work()

    def idle_timeout(self) -> float:
        return self.service.current().limits.idle_timeout

    def ended(self) -> None:
        if self._arrival is not None and self.envelope is not None:
            self._arrival.close()
            metrics.MESSAGES.count("cut_off")
            log.info("mail cut off", **self._facts(self.envelope))
        self._ended()

    def say(self, reply: Reply) -> None:
        if reply.code >= 500:
            self._errors += 1
            if self._errors > self.service.current().limits.errors:
                self._cut_off(replies.TOO_MANY_ERRORS)
                return
        if reply.code >= 400:
            metrics.REPLIES.count(str(reply.code))
        self._said = reply
        super().say(reply)

    def work(self) -> None:
        super().work()
        if self._draining and self._drained():
            self.leave(replies.SHUTTING_DOWN, lingering=bool(self.arrived))

    def take(self) -> bool:
        if self._draining and self._drained():
            return False
        if self._arrival is not None:
            self._take_content(self._arrival)
            return True
        match self._lines.take(self.arrived):
            case None:
                return False
            case Unusable.MALFORMED:
                self._cut_off(replies.MALFORMED)
            case Unusable.TOO_LONG:
                self.say(replies.COMMAND_TOO_LONG)
            case line:
                self._take_command(line)
        return True

    def _drained(self) -> bool:
        return not (self.envelope or self.busy or self.leaving)

    def _cut_off(self, reply: Reply) -> None:
        reference = "" if self.envelope is None else self.envelope.trace
        log.info("session cut off", trace=reference, peer=self.peer, reply=str(reply))
        self.leave(reply, lingering=True)

    # Commands.

    def _take_command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if not self._lines.fits(line, utf8=bool(self.envelope and self.envelope.smtp_utf8)):
            self.say(replies.COMMAND_TOO_LONG)
        elif verb in _HTTP:
            self._cut_off(replies.NOT_HTTP)
        elif verb not in self.commands:
            self.say(replies.UNRECOGNIZED)
        elif isinstance(following := follow(verb, self._state), Reply):
            self.say(following)
        else:
            self._run(self.commands[verb], rest)
            if self._said.accepts:
                self._state = following

    def _run(self, command: Callable[..., Coroutine[Any, Any, None]], rest: bytes) -> None:
        try:
            _step(command(self, rest.strip(b" ").decode()))
        except UnicodeDecodeError:
            self.say(replies.NOT_UTF8)
        except Exception as error:  # noqa: BLE001 - the boundary of one client
            reference = trace.fresh() if self.envelope is None else self.envelope.trace
            self._unexpected(error, reference)
            self.say(replies.INTERNAL_ERROR.about(reference))

    def _unexpected(self, error: Exception, reference: str = "") -> None:
        """The log gets the error; the client gets at most what finds it there."""
        # Made here, since a renderer may add the variables of each frame, and so content.
        frames = "".join(traceback.format_exception(error))
        log.error("unexpected error", trace=reference, peer=self.peer, traceback=frames)

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """After the reply that invites to it."""
        self.busy = True
        self._task = self.loop.create_task(self._encrypt(context))

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            await self.encrypt(context)
        except OSError as failure:
            reason = str(failure) or type(failure).__name__
            metrics.STARTTLS.count("failed")
            log.info("no TLS session", peer=self.peer, reason=reason)
        except Exception as error:  # noqa: BLE001 - the boundary of one client
            metrics.STARTTLS.count("failed")
            self._unexpected(error)
        else:
            metrics.STARTTLS.count("encrypted")
        self.session = self._create_session()
        self.encrypted = True
        self.resume()

    # Messages.

    def begin_content(self) -> None:
        """After the reply that invites to it."""
        assert self.envelope is not None
        limits = self.envelope.snapshot.limits
        self._arrival = Arrival(limits, self.service.spool)
        self.watch_deadline(limits.data_timeout)

    def _take_content(self, arrival: Arrival) -> None:
        block = bytes(self.arrived)
        self.arrived.clear()
        rest = arrival.feed(block)
        if isinstance(rest, Malformed):
            self._cut_off(replies.MALFORMED)
        elif rest is not None:
            self.arrived += rest
            self._end_content(arrival)

    def _end_content(self, arrival: Arrival) -> None:
        transaction, self.envelope, self._arrival = self.envelope, None, None
        assert transaction is not None
        self.deadline = math.inf
        if arrival.refusal is not None:
            arrival.close()
            self._refuse(transaction, arrival.refusal)
        else:
            self.busy = True
            self._task = self.loop.create_task(self._receive(transaction, arrival))

    def _refuse(self, transaction: Transaction, refusal: Reply) -> None:
        """A message that nobody looks at."""
        metrics.MESSAGES.count("refused")
        facts = self._facts(transaction)
        log.info("mail refused", **facts, reply=refusal.code, reason=refusal.text)
        self.say(refusal.about(transaction.trace))

    def _facts(self, transaction: Transaction) -> dict[str, object]:
        return {
            "trace": transaction.trace,
            "peer": self.peer,
            "sender": transaction.sender,
            "recipients": transaction.rcpt_tos,
        }

    async def _receive(self, transaction: Transaction, arrival: Arrival) -> None:
        try:
            if arrival.on_disk:
                reply = await self._receive_spooled(transaction, arrival)
            else:
                reply = await self.service.receive(self._received(transaction, arrival.content()))
        except Exception as error:  # noqa: BLE001 - the boundary of one client
            metrics.MESSAGES.count("broken")
            self._unexpected(error, transaction.trace)
            reply = replies.INTERNAL_ERROR.about(transaction.trace)
        finally:
            arrival.close()
        self.say(reply)
        self.resume()

    async def _receive_spooled(self, transaction: Transaction, arrival: Arrival) -> Reply:
        """Whatever may take its time comes first, so that nobody waits with much in memory."""
        service = self.service
        await service.foresee(self._received(transaction, arrival.content(_HEADER)))
        turn = service.turn if arrival.on_disk > _HUGE else nullcontext()
        async with turn, service.memory.taken(arrival.on_disk):
            return await service.receive(self._received(transaction, arrival.content()))

    def _received(self, transaction: Transaction, content: bytes) -> Received:
        client = Client(self.peer, self.session.host_name or "", self.encrypted)
        envelope = Envelope(transaction.sender, tuple(transaction.rcpt_tos), client)
        incoming = Incoming(envelope, content, datetime.now(UTC))
        routes = tuple(transaction.routes)
        return Received(incoming, routes, transaction.snapshot, transaction.trace)


def _step(command: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end: it only collects replies, so that it never waits."""
    try:
        command.send(None)
    except StopIteration:
        return
    command.close()
    raise RuntimeError("a command waited")
