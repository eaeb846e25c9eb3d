"""A message offered to one host, which says what it does with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Sequence
from dataclasses import replace

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Deferred, Delivered, Failed, Outcome
from aimx.outbound.session import Manners, Peer, Session, met
from aimx.outbound.sessions import Sessions

# RFC 5321 4.5.3.2.6: who gives up earlier on the reply to the final dot delivers twice.
FINAL_DOT_SECONDS = 600.0
# Of a hundred recipients each may take a host as long as it is given for one reply, and it is not
# given a hundred times as long: so many of the slowest replies are waited for before the content.
MOST_REPLIES = 5
_CLOSING = 421  # RFC 5321 3.8: the host ends the session, whatever it was asked.
_LONGEST_REPLY = 300  # Characters of it that are told on.
# ValueError: what a host says of itself may be beyond what the library reads.
_TROUBLE = (SMTPException, OSError, ValueError)


class _RefusedError(SMTPException):
    """The host cannot take the message, by what it said of itself."""


class _StaleError(Exception):
    """A session that was kept is over, which says nothing about the message."""


async def offer(
    peer: Peer,
    outgoing: Outgoing,
    recipients: Sequence[str],
    manners: Manners,
    sessions: Sessions,
) -> dict[str, Outcome]:
    """Offer the message for these recipients, and tell what became of each."""
    data = transparent(outgoing.content)
    kept = sessions.take(peer, manners)
    if kept is not None:
        with contextlib.suppress(_StaleError):
            return await _through(kept, outgoing, recipients, data, sessions)
    try:
        session = await met(peer, manners)
    except _TROUBLE as trouble:
        outcome = _outcome(peer, trouble)
        if isinstance(outcome, Deferred):
            outcome = replace(outcome, unreached=True)
        return dict.fromkeys(recipients, outcome)
    return await _through(session, outgoing, recipients, data, sessions)


async def _through(
    session: Session,
    outgoing: Outgoing,
    recipients: Sequence[str],
    data: bytes,
    sessions: Sessions,
) -> dict[str, Outcome]:
    try:
        outcomes = await _within(session, outgoing, recipients, data)
    except BaseException:
        session.hang_up()
        raise
    await sessions.leave(session)
    return outcomes


async def _within(
    session: Session, outgoing: Outgoing, recipients: Sequence[str], data: bytes
) -> dict[str, Outcome]:
    """Raises `_StaleError` before the content leaves, and for a session that was kept alone."""
    was_kept, has_left = session.messages > 0, False
    outcomes: dict[str, Outcome] = {}
    try:
        async with asyncio.timeout(MOST_REPLIES * session.manners.timeout):
            await _begin(session, outgoing)
            accepted = await _accepted(session, outgoing, recipients, outcomes)
            if accepted:
                await _invited(session.smtp)
        if accepted:
            await outgoing.witness.leaving(accepted)
            has_left = True
            told = dict.fromkeys(accepted, await _content(session, data))
            outcomes |= told
            await outgoing.witness.answered(told)
        elif was_kept and not session.is_open:
            raise _StaleError
    except _TROUBLE as trouble:
        if was_kept and not has_left and _is_stale(session, trouble):
            raise _StaleError from trouble
        if not _is_reply(trouble):
            session.hang_up()
        outcome = _outcome(session.peer, trouble)
        outcomes |= {to: outcome for to in recipients if to not in outcomes}
    return outcomes


def _is_stale(session: Session, trouble: Exception) -> bool:
    """Hung up on, or not let in any more: some hosts count the messages of a session."""
    return not isinstance(trouble, _RefusedError) and not (session.is_open and session.is_begun)


def _is_reply(trouble: Exception) -> bool:
    """Whether the host and we still agree on who speaks next.

    Who neither agrees nor refuses may answer something else, and be a reply behind, or take for
    content what is said next.
    """
    if isinstance(trouble, SMTPResponseException):
        return 400 <= trouble.code <= 599
    return isinstance(trouble, _RefusedError)


async def _begin(session: Session, outgoing: Outgoing) -> None:
    """MAIL; where a transaction has been left in the middle, that is forgotten first."""
    smtp, options = session.smtp, _options(session.smtp, outgoing)
    if session.is_begun:
        session.is_begun = False
        await smtp.rset()
    session.messages += 1
    await smtp.mail(outgoing.sender, options=options, encoding=_encoding(outgoing))
    session.is_begun = True


async def _accepted(
    session: Session,
    outgoing: Outgoing,
    recipients: Sequence[str],
    outcomes: dict[str, Outcome],
) -> list[str]:
    """RCPT for each; gives those that the host accepts, and notes the others."""
    accepted = []
    for recipient in recipients:
        try:
            await session.smtp.rcpt(recipient, encoding=_encoding(outgoing))
            accepted.append(recipient)
        except SMTPResponseException as refused:
            # One that closes speaks for those before, too, who were to get the content.
            if refused.code == _CLOSING or not _is_reply(refused):
                raise
            outcomes[recipient] = _outcome(session.peer, refused)
    return accepted


def _encoding(outgoing: Outgoing) -> str:
    return "utf-8" if outgoing.is_international else "ascii"


def _options(smtp: SMTP, outgoing: Outgoing) -> list[str]:
    options, size = [], len(outgoing.content)
    if smtp.supports_extension("size"):
        limit = smtp.esmtp_extensions["size"][:20]
        # RFC 1870 4: 0 or nothing is no limit.
        if limit.isdecimal() and 0 < int(limit) < size:
            raise _RefusedError(f"the message has {size} octets, it takes {limit}")
        options.append(f"SIZE={size}")
    if outgoing.is_international:
        if not smtp.supports_extension("smtputf8"):
            # RFC 6531 3.5.
            raise _RefusedError("it takes no addresses outside ASCII (SMTPUTF8)")
        options.append("SMTPUTF8")
    return options


async def _invited(smtp: SMTP) -> None:
    """DATA, and leave to go on."""
    reply = await smtp.execute_command(b"DATA")
    if reply.code != 354:
        raise SMTPResponseException(reply.code, reply.message)


async def _content(session: Session, data: bytes) -> Outcome:
    """The content. Once the final dot is out, silence is not a refusal."""
    peer, protocol = session.peer, session.smtp.protocol
    if protocol is None:
        raise SMTPServerDisconnected("it hung up before the content")
    protocol.write(data)
    try:
        reply = await protocol.read_response(timeout=FINAL_DOT_SECONDS)
    except (SMTPException, OSError) as trouble:  # Also a reply that is none.
        session.hang_up()
        reason = f"{peer.host}: {_said(trouble)} after the message was sent"
        return Deferred(reason, unanswered=True)
    session.is_begun = False
    if reply.code == _CLOSING:
        session.hang_up()
    if not 200 <= reply.code <= 299:
        return _refused(session, SMTPResponseException(reply.code, reply.message))
    return Delivered(peer.host, session.tls, f"{reply.code} {_line(reply.message)}")


def _refused(session: Session, reply: SMTPResponseException) -> Outcome:
    if _is_reply(reply):
        return _outcome(session.peer, reply)
    session.hang_up()
    reason = f"{session.peer.host}: {_said(reply)} after the message was sent"
    return Deferred(reason, unanswered=True)


def transparent(content: bytes) -> bytes:
    """RFC 5321 4.5.2: the content so that no line of it ends it, and its end.

    Raises ValueError for line ends other than CRLF (RFC 5321 2.3.8): some host might see others.
    """
    if not content.endswith(b"\r\n") or not (
        content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
    ):
        raise ValueError("the content has line ends other than CRLF")
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"".join([b"." if stuffed.startswith(b".") else b"", stuffed, b".\r\n"])


def _outcome(peer: Peer, trouble: Exception) -> Outcome:
    """RFC 5321 4.2.1: 5yz is for good, anything else may change."""
    reason = f"{peer.host}: {_said(trouble)}"
    match trouble:
        case _RefusedError():
            return Failed(reason)
        case SMTPResponseException(code=code) if 500 <= code <= 599:
            return Failed(reason)
        case _:
            return Deferred(reason)


def _said(trouble: Exception) -> str:
    match trouble:
        case SMTPResponseException(code=code, message=message) if code > 0:
            return f"{code} {_line(message)}"
        case TimeoutError():
            return "timed out"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS: {reason}"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return _line(str(trouble)) or type(trouble).__name__


def _line(text: str) -> str:
    """What a stranger said, on one line that can do no harm."""
    plain = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in plain)[:_LONGEST_REPLY].strip()
