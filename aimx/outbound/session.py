"""One session with one host: connected, greeted, in TLS where that is to be had, and introduced."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import time
from ipaddress import ip_address

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

from desired.frozen import field, frozen

_QUIT_SECONDS = 5.0
_MOST_REPLIES = 3  # As slow as a host may be; to greeting, EHLO twice, STARTTLS and AUTH.


def opportunistic() -> ssl.SSLContext:
    """RFC 7435: whoever the host is, nobody else shall read along. No certificate is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class NoTlsError(SMTPException):
    """The host offers TLS and none comes of it, which says nothing about the message."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@frozen
class Credentials:
    """Who we are to a host that asks. They are told in an encrypted session alone."""

    user: str
    password: str = field(repr=False)


@frozen
class Manners:
    """How we present ourselves, whomever we talk to."""

    hostname: str  # For EHLO.
    port: int = 25
    timeout: float = 60.0  # Seconds, for each reply but the last.
    tls: ssl.SSLContext = field(default_factory=opportunistic)
    implicit_tls: bool = False  # RFC 8314 3: from the first byte.
    start_tls: bool = True  # Where a host offers it.
    credentials: Credentials | None = None


@frozen
class Peer:
    """Whom we talk to: a host, at one of its addresses."""

    host: str
    address: str


@dataclasses.dataclass(eq=False, slots=True)
class Session:
    """A host that will hear what we have to say; whoever has it says QUIT, or hangs up."""

    peer: Peer
    manners: Manners
    smtp: SMTP
    tls: str  # The version, as "TLSv1.3"; empty: in the clear.
    messages: int = 0  # That it was offered.
    is_begun: bool = False  # Whether the host has a sender, and no end of the transaction.
    _met_at: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def is_open(self) -> bool:
        return self.smtp.is_connected

    @property
    def age(self) -> float:
        return time.monotonic() - self._met_at

    def limit(self, name: str) -> int | None:
        """What the host has announced under this name (RFC 9422 3); None: nothing that limits."""
        told = self.smtp.esmtp_extensions.get("limits", "")
        for word in told.upper().split():
            found, _, value = word.partition("=")
            if found == name and value.isdecimal() and int(value[:6]) > 0:
                return int(value[:6])
        return None

    async def quit(self) -> None:
        """Whatever the host says to this, it has said what matters."""
        with contextlib.suppress(SMTPException, OSError, ValueError):
            if self.is_open:
                await self.smtp.quit(timeout=_QUIT_SECONDS)
        self.hang_up()

    def hang_up(self) -> None:
        self.smtp.close()


async def met(peer: Peer, manners: Manners) -> Session:
    """Raises SMTPException, OSError, or ValueError for what is beyond what the library reads."""
    smtp = SMTP(
        hostname=peer.host,
        local_hostname=manners.hostname,
        timeout=manners.timeout,
        tls_context=manners.tls,
        use_tls=manners.implicit_tls,
        start_tls=False,  # We do it ourselves, to tell what became of it.
        sock=await _socket(peer.address, manners),
    )
    try:
        async with asyncio.timeout(_MOST_REPLIES * manners.timeout):
            await smtp.connect()
            tls = await _secured(smtp, manners)
            if manners.credentials is not None:
                await _introduced(smtp, manners.credentials)
    except BaseException:
        smtp.close()
        raise
    return Session(peer, manners, smtp, tls)


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
        return _version(smtp)
    if not (manners.start_tls and smtp.supports_extension("starttls")):
        if manners.credentials is not None:
            raise SMTPException("it offers no TLS, and without that it is told no password")
        return ""
    try:
        await _upgraded(smtp)
    except SMTPResponseException:
        raise  # It was said within TLS.
    except (ssl.SSLError, ConnectionError, TimeoutError, SMTPException) as trouble:
        raise NoTlsError(trouble) from trouble
    return _version(smtp)


async def _upgraded(smtp: SMTP) -> None:
    """To TLS, and greeted within: in TLS 1.3 some hosts say only then that they want none."""
    try:
        await smtp.starttls()
    except SMTPResponseException as refused:
        raise SMTPException(f"STARTTLS refused: {refused.code} {refused.message}") from refused
    await _greet(smtp)


def _version(smtp: SMTP) -> str:
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
