"""One connection to one host: it is offered a message, and says what it does with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Deferred, Delivered, Failed, Outcome

# RFC 5321 4.5.3.2.6: who gives up earlier on the reply to the final dot delivers twice.
FINAL_DOT_SECONDS = 600.0
_QUIT_SECONDS = 5.0
_LONGEST_REPLY = 300  # Characters of it that are told on.


def opportunistic() -> ssl.SSLContext:
    """RFC 7435: whoever the host is, nobody else shall read along. No certificate is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a host that asks. They are told in an encrypted session alone."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Manners:
    """How we present ourselves, whomever we talk to."""

    hostname: str  # For EHLO.
    port: int = 25
    timeout: float = 60.0  # Seconds, for each reply but the last.
    tls: ssl.SSLContext = field(default_factory=opportunistic)
    implicit_tls: bool = False  # RFC 8314 3: from the first byte.
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we talk to: a host, at one of its addresses."""

    host: str
    address: str


class _RefusedError(Exception):
    """The host cannot take the message, by what it said of itself."""


async def offer(
    peer: Peer, outgoing: Outgoing, recipients: Sequence[str], manners: Manners
) -> dict[str, Outcome]:
    """Offer the message for these recipients, and tell what became of each."""
    data = transparent(outgoing.content)
    outcomes: dict[str, Outcome] = {}
    is_met = False
    try:
        async with _connected(peer, manners) as smtp:
            tls = await _secured(smtp, manners)
            if manners.credentials is not None:
                await _introduced(smtp, manners.credentials)
            is_met = True
            accepted = await _envelope(smtp, peer, outgoing, recipients, outcomes)
            if accepted:
                await _invited(smtp)
                await outgoing.witness.leaving(accepted)
                told = dict.fromkeys(accepted, await _content(smtp, peer, data, tls))
                outcomes |= told
                await outgoing.witness.answered(told)
    # ValueError: what a host says of itself may be beyond what the library reads.
    except (_RefusedError, SMTPException, OSError, ValueError) as trouble:
        outcome = _outcome(peer, trouble)
        if isinstance(outcome, Deferred) and not is_met:
            outcome = replace(outcome, unreached=True)
        outcomes |= {to: outcome for to in recipients if to not in outcomes}
    return outcomes


@contextlib.asynccontextmanager
async def _connected(peer: Peer, manners: Manners) -> AsyncIterator[SMTP]:
    """A connection that was greeted, and is left with QUIT."""
    smtp = SMTP(
        hostname=peer.host,
        local_hostname=manners.hostname,
        timeout=manners.timeout,
        tls_context=manners.tls,
        use_tls=manners.implicit_tls,
        start_tls=False,  # We do it ourselves, to tell what became of it.
        sock=await _socket(peer.address, manners),
    )
    await smtp.connect()
    try:
        yield smtp
        # Whatever it says to this, it has said what matters.
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            await smtp.quit(timeout=_QUIT_SECONDS)
    finally:
        smtp.close()


async def _socket(address: str, manners: Manners) -> socket.socket:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # noqa: FBT003
        async with asyncio.timeout(manners.timeout):
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (address, manners.port))
    except BaseException:
        connection.close()
        raise
    return connection


async def _secured(smtp: SMTP, manners: Manners) -> str:
    """Greet, and go to TLS where that is offered; gives its version. Never falls back from it."""
    await _greet(smtp)
    if manners.implicit_tls:
        return str(smtp.get_transport_info("ssl_object").version())
    if not smtp.supports_extension("starttls"):
        if manners.credentials is not None:
            raise SMTPException("it offers no TLS, and without that it is told no password")
        return ""
    try:
        await smtp.starttls()
    except SMTPResponseException as refused:
        # A host that offers TLS and then refuses it says nothing about the message.
        raise SMTPException(f"STARTTLS refused: {refused.code} {refused.message}") from refused
    await _greet(smtp)
    return str(smtp.get_transport_info("ssl_object").version())


async def _introduced(smtp: SMTP, credentials: Credentials) -> None:
    """AUTH (RFC 4954), which a host asks for that takes mail for everybody."""
    try:
        await smtp.login(credentials.user, credentials.password)
    except SMTPResponseException as refused:
        # What it says of us says nothing about the message.
        said = f"{refused.code} {refused.message}"
        raise SMTPException(f"it does not let {credentials.user} in: {said}") from refused


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError:
        # RFC 5321 3.2: a host that does not know EHLO.
        if not smtp.is_connected:
            raise
        await smtp.helo()


async def _envelope(
    smtp: SMTP,
    peer: Peer,
    outgoing: Outgoing,
    recipients: Sequence[str],
    outcomes: dict[str, Outcome],
) -> list[str]:
    """MAIL, and RCPT for each; gives those that the host accepts, and notes the others."""
    await smtp.mail(outgoing.sender, options=_options(smtp, outgoing), encoding=_encoding(outgoing))
    accepted = []
    for recipient in recipients:
        try:
            await smtp.rcpt(recipient, encoding=_encoding(outgoing))
            accepted.append(recipient)
        except SMTPResponseException as refused:
            outcomes[recipient] = _outcome(peer, refused)
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


async def _content(smtp: SMTP, peer: Peer, data: bytes, tls: str) -> Outcome:
    """The content. Once the final dot is out, silence is not a refusal."""
    protocol = smtp.protocol
    if protocol is None:
        raise SMTPServerDisconnected("it hung up before the content")
    protocol.write(data)
    try:
        reply = await protocol.read_response(timeout=FINAL_DOT_SECONDS)
    except (SMTPException, OSError) as trouble:  # Also a reply that is none.
        reason = f"{peer.host}: {_said(trouble)} after the message was sent"
        return Deferred(reason, unanswered=True)
    if not 200 <= reply.code <= 299:
        return _outcome(peer, SMTPResponseException(reply.code, reply.message))
    return Delivered(peer.host, tls, f"{reply.code} {_line(reply.message)}")


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
