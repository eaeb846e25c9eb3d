"""A message offered to one host, which says what it does with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from aimx.outbound.content import CutShortError, handed_over
from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Deferred, Delivered, Outcome
from aimx.outbound.session import Manners, NoTlsError, Peer, Session, met
from aimx.outbound.sessions import Sessions
from aimx.outbound.trouble import TROUBLE, UnableError, is_reply, line, outcome_of, said, unmet

# Of a hundred recipients each may take a host as long as it is given for one reply, and it is not
# given a hundred times as long: so many of the slowest replies are waited for before the content.
MOST_REPLIES = 5
# RFC 5321 4.5.3.1.10: 552 is what it used to be, and from some hosts is.
_TOO_MANY = (452, 552)
_ANOTHER_ANSWER = (220, 221)  # To a connection, and to QUIT.
_NO_UTF8 = "it takes no addresses outside ASCII (SMTPUTF8, 5.6.7)"
_CLOSING = 421  # RFC 5321 3.8: the host ends the session, whatever it was asked.


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
    outcomes: dict[str, Outcome] = {}
    manners = sessions.clear.manners(peer, manners)
    async with sessions.turn(peer, manners):
        late = asyncio.get_running_loop().time() + MOST_REPLIES * manners.timeout
        # A host may take a few at a time; of those that it is offered one is settled at least.
        while pending := [to for to in recipients if to not in outcomes]:
            if outcomes and asyncio.get_running_loop().time() > late:
                slow = Deferred(f"{peer.host}: it takes a few recipients at a time, and slowly")
                return outcomes | dict.fromkeys(pending, slow)
            outcomes |= await _offered(peer, outgoing, pending, data, sessions, manners)
    return outcomes


async def _offered(
    peer: Peer,
    outgoing: Outgoing,
    recipients: Sequence[str],
    data: bytes,
    sessions: Sessions,
    manners: Manners,
) -> dict[str, Outcome]:
    """What became of it for these, or for as many of them as the host takes at a time."""
    kept = sessions.take(peer, manners)
    if kept is not None:
        with contextlib.suppress(_StaleError):
            return await _through(kept, outgoing, recipients, data, sessions)
    try:
        session = await met(peer, manners)
    except TROUBLE as trouble:
        if isinstance(trouble, NoTlsError):
            sessions.clear.note(peer, manners)
        return dict.fromkeys(recipients, unmet(outcome_of(peer, trouble)))
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
        recipients = _able(session, outgoing, recipients, outcomes)[: session.limit("RCPTMAX")]
        if not recipients:
            return outcomes
        async with asyncio.timeout(MOST_REPLIES * session.manners.timeout):
            is_international = _needs_utf8(outgoing, recipients)
            await _begin(session, outgoing, is_international=is_international)
            recipients = list(recipients)
            accepted = await _accepted(session, recipients, outcomes, _encoding(is_international))
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
    except TROUBLE as trouble:
        if was_kept and not has_left and _is_stale(session, trouble):
            raise _StaleError from trouble
        if not is_reply(trouble):
            session.hang_up()
        outcome = outcome_of(session.peer, trouble)
        outcomes |= {to: outcome for to in recipients if to not in outcomes}
    return outcomes


def _is_stale(session: Session, trouble: Exception) -> bool:
    """Hung up on, or not let in any more: some hosts count the messages of a session."""
    return not isinstance(trouble, UnableError) and not (session.is_open and session.is_begun)


def _needs_utf8(outgoing: Outgoing, recipients: Sequence[str]) -> bool:
    """RFC 6531 3.4: for its header, or for an address of the envelope."""
    plain = all(address.isascii() for address in (outgoing.sender, *recipients))
    return outgoing.is_international or not plain


def _able(
    session: Session, outgoing: Outgoing, recipients: Sequence[str], outcomes: dict[str, Outcome]
) -> Sequence[str]:
    """Whom the host can be told of. RFC 6531 3.5: without SMTPUTF8 nobody outside ASCII, and where
    the header has such an address nobody at all.
    """
    if session.smtp.supports_extension("smtputf8"):
        return recipients
    if outgoing.is_international or not outgoing.sender.isascii():
        raise UnableError(_NO_UTF8)
    unable = [to for to in recipients if not to.isascii()]
    outcomes |= dict.fromkeys(unable, outcome_of(session.peer, UnableError(_NO_UTF8)))
    return [to for to in recipients if to not in outcomes]


async def _begin(session: Session, outgoing: Outgoing, *, is_international: bool) -> None:
    """MAIL; where a transaction has been left in the middle, that is forgotten first."""
    smtp, options = session.smtp, _options(session.smtp, len(outgoing.content))
    if session.is_begun:
        session.is_begun = False
        with _any_yes():
            await smtp.rset()
    session.messages += 1
    options += ["SMTPUTF8"] if is_international else []
    with _any_yes():
        await smtp.mail(outgoing.sender, options=options, encoding=_encoding(is_international))
    session.is_begun = True


@contextlib.contextmanager
def _any_yes() -> Iterator[None]:
    """RFC 5321 4.2.1: of a code that is not known here the first digit counts."""
    try:
        yield
    except SMTPResponseException as reply:
        if not 200 <= reply.code <= 299 or reply.code in _ANOTHER_ANSWER:
            raise


async def _accepted(
    session: Session, recipients: list[str], outcomes: dict[str, Outcome], encoding: str
) -> list[str]:
    """RCPT for each; gives those that the host accepts, and notes the others.

    RFC 5321 4.5.3.1.10: who has accepted some and has too many wants the rest in a transaction of
    their own; they are taken out of `recipients`.
    """
    accepted: list[str] = []
    for at, recipient in enumerate(recipients):
        try:
            with _any_yes():
                await session.smtp.rcpt(recipient, encoding=encoding)
            accepted.append(recipient)
        except SMTPResponseException as refused:
            # One that closes speaks for those before, too, who were to get the content.
            if refused.code == _CLOSING or not is_reply(refused):
                raise
            if refused.code in _TOO_MANY and accepted:
                del recipients[at:]
                break
            outcomes[recipient] = outcome_of(session.peer, refused)
    return accepted


def _encoding(is_international: bool) -> str:  # noqa: FBT001 - it is all that it is asked
    return "utf-8" if is_international else "ascii"


def _options(smtp: SMTP, size: int) -> list[str]:
    if not smtp.supports_extension("size"):
        return []
    limit = smtp.esmtp_extensions["size"][:20]
    # RFC 1870 4: 0 or nothing is no limit.
    if limit.isdecimal() and 0 < int(limit) < size:
        raise UnableError(f"the message has {size} octets, it takes {limit} (5.3.4)")
    return [f"SIZE={size}"]


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
    try:
        reply = await handed_over(protocol, data)
    except CutShortError as trouble:
        session.hang_up()
        return _cut_short(peer, trouble.cause)
    except (SMTPException, OSError) as trouble:  # Also a reply that is none.
        session.hang_up()
        reason = f"{peer.host}: {said(trouble)} after the message was sent"
        return Deferred(reason, unanswered=True)
    session.is_begun = False
    if reply.code == _CLOSING:
        session.hang_up()
    if not 200 <= reply.code <= 299:
        return _refused(session, SMTPResponseException(reply.code, reply.message))
    return Delivered(peer.host, session.tls, f"{reply.code} {line(reply.message)}")


def _cut_short(peer: Peer, cause: Exception) -> Outcome:
    if is_reply(cause):
        return outcome_of(peer, cause)
    return Deferred(f"{peer.host}: {said(cause)} before it had the whole message")


def _refused(session: Session, reply: SMTPResponseException) -> Outcome:
    if is_reply(reply):
        return outcome_of(session.peer, reply)
    session.hang_up()
    reason = f"{session.peer.host}: {said(reply)} after the message was sent"
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
