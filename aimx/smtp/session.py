"""One client, from greeting to QUIT: its commands, and the way of its messages."""

# ruff: noqa: N802 - aiosmtpd names a command's method after the command.

from __future__ import annotations

import asyncio
import math
import re
import secrets
import ssl
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import structlog

from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.smtp import arguments, replies
from aimx.smtp.connection import Connection
from aimx.smtp.content import Malformed
from aimx.smtp.lines import CommandLines, Unusable, fits
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received, Service
from aimx.smtp.states import State, follow
from aimx.smtp.transaction import Arrival, Transaction

# After so many refusals a client learns nothing from more of them.
_MOST_ERRORS = 20
# RFC 5321 4.1.1.1, without looking closer: what a client calls itself is for SPF to judge.
_NAME = re.compile(r"[!-~]{1,255}")
_HTTP = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PATCH", b"DELETE"})

log = structlog.get_logger()


class Session(Connection):
    """What outlives a message, and the message that is under way."""

    envelope: Transaction | None  # None where no transaction is open.

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        service: Service,
        peer: str,
        ended: Callable[[], None],
    ) -> None:
        super().__init__(loop)
        self.envelope = None
        self._service = service
        self._peer = peer
        self._ended = ended
        self._state = State.GREETED
        self._said = replies.OK
        self._errors = 0
        self._lines = CommandLines()
        self._arrival: Arrival | None = None
        self._encrypted = False
        self._draining = False
        self._task: asyncio.Task[None] | None = None

    def drain(self) -> None:
        """Let the transaction that is open come to its end, then say goodbye."""
        self._draining = True
        if self.transport is not None and not self.leaving:
            self.work()

    # What a connection asks of us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._draining:
            self.say(replies.greeting(self._service.current().hostname))
        self.work()

    def idle_timeout(self) -> float:
        return self._service.current().limits.idle_timeout

    def ended(self) -> None:
        if self._arrival is not None:
            self._arrival.close()
        self._ended()

    def say(self, reply: Reply) -> None:
        if reply.code >= 500:
            self._errors += 1
            if self._errors > _MOST_ERRORS:
                self._cut_off(replies.TOO_MANY_ERRORS)
                return
        self._said = reply
        super().say(reply)

    def work(self) -> None:
        super().work()
        if self._leaves():
            self.leave(replies.SHUTTING_DOWN, lingering=bool(self.arrived))

    def take(self) -> bool:
        if self._leaves():
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
                self._command(line)
        return True

    def _leaves(self) -> bool:
        return self._draining and not (self.envelope or self.busy or self.leaving)

    def _cut_off(self, reply: Reply) -> None:
        log.info("session cut off", peer=self._peer, reply=str(reply))
        self.leave(reply, lingering=True)

    # Commands.

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        if not fits(line, utf8=self.envelope is not None and self.envelope.smtp_utf8):
            self.say(replies.COMMAND_TOO_LONG)
        elif verb in _HTTP:
            self._cut_off(replies.NOT_HTTP)
        elif verb not in _COMMANDS:
            self.say(replies.UNRECOGNIZED)
        elif isinstance(following := follow(verb, self._state), Reply):
            self.say(following)
        else:
            self._run(_COMMANDS[verb], rest)
            if self._said.accepts:
                self._state = following

    def _run(self, command: Callable[..., Coroutine[Any, Any, None]], rest: bytes) -> None:
        try:
            _step(command(self, rest.strip(b" ").decode()))
        except UnicodeDecodeError:
            self.say(replies.NOT_UTF8)
        except Exception:  # noqa: BLE001 - the boundary of one client; logged with its traceback
            self.say(self._unexpected())

    def _unexpected(self) -> Reply:
        """To be called where an exception is stopped: the log gets it, the client a reference."""
        reference = secrets.token_hex(4)
        log.exception("unexpected error", reference=reference, peer=self._peer)
        return replies.internal_error(reference)

    async def smtp_HELO(self, hostname: str) -> None:
        if not _NAME.fullmatch(hostname):
            self.say(replies.HELO_SYNTAX)
            return
        self._introduce(hostname)
        self.say(replies.hello(self._service.current().hostname, hostname))

    async def smtp_EHLO(self, hostname: str) -> None:
        if not _NAME.fullmatch(hostname):
            self.say(replies.EHLO_SYNTAX)
            return
        self._introduce(hostname)
        snapshot = self._service.current()
        offers_tls = not self._encrypted and self._service.tls() is not None
        extensions = (
            f"SIZE {snapshot.limits.message_size}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            *(("STARTTLS",) if offers_tls else ()),
            "ENHANCEDSTATUSCODES",
        )
        self.say(replies.hello(snapshot.hostname, hostname, extensions))

    def _introduce(self, hostname: str) -> None:
        # RFC 5321 4.1.4: EHLO in the midst of a transaction is RSET as well.
        self.envelope = None
        self.session.host_name = hostname

    async def smtp_MAIL(self, arg: str | None) -> None:
        sender = arguments.sender(arg or "")
        if isinstance(sender, Reply):
            self.say(sender)
            return
        snapshot = self._service.current()
        if sender.size > snapshot.limits.message_size:
            self.say(replies.TOO_LARGE)
            return
        self.envelope = Transaction(snapshot, sender)
        self.say(replies.SENDER_OK)

    async def smtp_RCPT(self, arg: str | None) -> None:
        transaction = self._transaction()
        recipient = arguments.recipient(arg or "", utf8=transaction.smtp_utf8)
        if isinstance(recipient, Reply):
            self.say(recipient)
            return
        outcome = transaction.add(recipient)
        if not outcome.accepts:
            log.info("recipient refused", peer=self._peer, recipient=recipient, reply=str(outcome))
        self.say(outcome)

    async def smtp_DATA(self, arg: str) -> None:
        if arg:
            self.say(replies.NO_ARGUMENTS)
            return
        limits = self._transaction().snapshot.limits
        self._arrival = Arrival(limits.message_size, self._service.spool)
        self.watch_deadline(limits.data_timeout)
        self.say(replies.START_CONTENT)

    async def smtp_RSET(self, arg: str) -> None:
        if arg:
            self.say(replies.NO_ARGUMENTS)
            return
        self.envelope = None
        self.say(replies.OK)

    async def smtp_NOOP(self, arg: str) -> None:
        self.say(replies.OK)

    async def smtp_VRFY(self, arg: str) -> None:
        # RFC 5321 7.3: whoever wants to know must send.
        self.say(replies.CANNOT_VERIFY if arg else replies.VRFY_SYNTAX)

    async def smtp_HELP(self, arg: str) -> None:
        self.say(replies.HELP)

    async def smtp_EXPN(self, arg: str) -> None:
        self.say(replies.NOT_OFFERED)

    async def smtp_AUTH(self, arg: str) -> None:
        self.say(replies.NOT_OFFERED)

    async def smtp_QUIT(self, arg: str) -> None:
        if arg:
            self.say(replies.NO_ARGUMENTS)
        else:
            self.leave(replies.BYE)

    async def smtp_STARTTLS(self, arg: str) -> None:
        context = self._service.tls()
        if arg:
            self.say(replies.NO_ARGUMENTS)
        elif self._encrypted:
            self.say(replies.TLS_ACTIVE)
        elif context is None:
            self.say(replies.TLS_NOT_OFFERED)
        else:
            self.say(replies.START_TLS)
            self.busy = True
            self._task = self.loop.create_task(self._encrypt(context))

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            await self.encrypt(context)
        except OSError as failure:
            log.info("no TLS session", peer=self._peer, reason=str(failure))
        self.session = self._create_session()
        self._encrypted = True
        self.resume()

    # Messages.

    def _transaction(self) -> Transaction:
        assert self.envelope is not None  # The table of states has seen to it.
        return self.envelope

    def _take_content(self, arrival: Arrival) -> None:
        block = bytes(self.arrived)
        self.arrived.clear()
        rest = arrival.feed(block)
        if isinstance(rest, Malformed):
            self._cut_off(replies.MALFORMED)
        elif rest is not None:
            self.arrived += rest
            self._finish(self._transaction(), arrival)

    def _finish(self, transaction: Transaction, arrival: Arrival) -> None:
        """The content has ended: refuse it, or let it be received."""
        self.envelope = self._arrival = None
        self.deadline = math.inf
        if arrival.refusal is not None:
            arrival.close()
            self.say(arrival.refusal)
        else:
            self.busy = True
            self._task = self.loop.create_task(self._receive(transaction, arrival))

    async def _receive(self, transaction: Transaction, arrival: Arrival) -> None:
        try:
            async with self._service.large if arrival.on_disk else nullcontext():
                reply = await self._service.receive(self._received(transaction, arrival.content()))
        except Exception:  # noqa: BLE001 - the boundary of one client; logged with its traceback
            reply = self._unexpected()
        finally:
            arrival.close()
        self.say(reply)
        self.resume()

    def _received(self, transaction: Transaction, content: bytes) -> Received:
        client = Client(self._peer, self.session.host_name or "", self._encrypted)
        envelope = Envelope(transaction.sender, tuple(transaction.rcpt_tos), client)
        incoming = Incoming(envelope, content, datetime.now(UTC))
        return Received(incoming, tuple(transaction.routes), transaction.snapshot)


def _step(command: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end: it only collects replies, so that it never waits."""
    try:
        command.send(None)
    except StopIteration:
        return
    command.close()
    raise RuntimeError("a command waited")


# aiosmtpd's way to name them, looked up once and not for each connection.
_COMMANDS: dict[bytes, Callable[..., Coroutine[Any, Any, None]]] = {
    name.removeprefix("smtp_").encode(): getattr(Session, name)
    for name in dir(Session)
    if name.startswith("smtp_")
}
