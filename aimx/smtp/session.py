"""The commands of RFC 5321 4.1.1, RFC 3207 and what else a client may say."""

# ruff: noqa: N802 - aiosmtpd names a command's method after the command.

from __future__ import annotations

import re

import structlog

from aimx.smtp import arguments, replies
from aimx.smtp.dialogue import Dialogue
from aimx.smtp.replies import Reply
from aimx.smtp.transaction import Transaction

# RFC 5321 4.1.1.1, without looking closer: what a client calls itself is for SPF to judge.
_NAME = re.compile(r"[!-~]{1,255}")

log = structlog.get_logger()


class Session(Dialogue):
    """One client, from greeting to QUIT. A command comes here only where its order is right.

    A reply that accepts moves the session on, as the table in `states` says.
    """

    async def smtp_HELO(self, hostname: str) -> None:
        if not _NAME.fullmatch(hostname):
            self.say(replies.HELO_SYNTAX)
            return
        self._introduce(hostname)
        self.say(replies.hello(self.service.current().hostname, hostname))

    async def smtp_EHLO(self, hostname: str) -> None:
        if not _NAME.fullmatch(hostname):
            self.say(replies.EHLO_SYNTAX)
            return
        self._introduce(hostname)
        snapshot = self.service.current()
        offers_tls = not self.encrypted and self.service.tls() is not None
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
        # RFC 5321 4.1.4: in the midst of a transaction this is RSET as well.
        self.envelope = None
        self.session.host_name = hostname

    async def smtp_MAIL(self, arg: str | None) -> None:
        sender = arguments.sender(arg or "")
        if isinstance(sender, Reply):
            self.say(sender)
            return
        snapshot = self.service.current()
        if sender.size > snapshot.limits.message_size:
            self.say(replies.TOO_LARGE)
            return
        self.envelope = Transaction(snapshot, sender)
        self.say(replies.SENDER_OK)

    async def smtp_RCPT(self, arg: str | None) -> None:
        assert self.envelope is not None
        recipient = arguments.recipient(arg or "", utf8=self.envelope.smtp_utf8)
        if isinstance(recipient, Reply):
            self.say(recipient)
            return
        outcome = self.envelope.add(recipient)
        if self.envelope.is_news(outcome):
            log.info(
                "recipient refused",
                trace=self.envelope.trace,
                peer=self.peer,
                sender=self.envelope.sender,
                recipient=recipient,
                reply=str(outcome),
            )
        self.say(outcome)

    async def smtp_DATA(self, arg: str) -> None:
        if arg:
            self.say(replies.NO_ARGUMENTS)
        else:
            self.say(replies.START_CONTENT)
            self.begin_content()

    async def smtp_RSET(self, arg: str) -> None:
        if arg:
            self.say(replies.NO_ARGUMENTS)
        else:
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
        context = self.service.tls()
        if arg:
            self.say(replies.NO_ARGUMENTS)
        elif self.encrypted:
            self.say(replies.TLS_ACTIVE)
        elif context is None:
            self.say(replies.TLS_NOT_OFFERED)
        else:
            self.say(replies.START_TLS)
            self.begin_tls(context)
