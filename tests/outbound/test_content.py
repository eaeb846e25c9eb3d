"""Contents on their way to a host that is the other end of a socket, and takes what it likes."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiosmtplib import SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from aimx.outbound.content import BLOCK, CutShortError, handed_over

SMALL = b"x" * 100 + b"\r\n.\r\n"
LARGE = b"x" * (16 * BLOCK) + b"\r\n.\r\n"  # Far more than waits between the two.
PATIENCE = 20.0  # Seconds until a test that hangs is said to hang.

Host = Callable[[socket.socket], Awaitable[None]]


def sent(data: bytes, host: Host, block_seconds: float = PATIENCE) -> SMTPResponse:
    async def run() -> SMTPResponse:
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK // 2)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        with theirs:
            transport, protocol = await loop.create_unix_connection(
                lambda: SMTPProtocol(loop=loop), sock=ours
            )
            listening = asyncio.create_task(host(theirs))
            try:
                async with asyncio.timeout(PATIENCE):
                    return await handed_over(protocol, data, block_seconds)
            finally:
                transport.abort()
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    return asyncio.run(run())


async def heard(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += await asyncio.get_running_loop().sock_recv(client, size - len(found))
    return found


def says(words: bytes, after: int) -> Host:
    async def host(client: socket.socket) -> None:
        await heard(client, after)
        await asyncio.get_running_loop().sock_sendall(client, words)
        await asyncio.Event().wait()  # And takes no more.

    return host


def hangs_up(after: int) -> Host:
    async def host(client: socket.socket) -> None:
        await heard(client, after)
        client.close()

    return host


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_content_arrives_whole_and_is_answered(data: bytes) -> None:
    arrived: list[bytes] = []

    async def host(client: socket.socket) -> None:
        arrived.append(await heard(client, len(data)))
        await asyncio.get_running_loop().sock_sendall(client, b"250 2.0.0 Kept\r\n")

    assert sent(data, host) == SMTPResponse(250, "2.0.0 Kept")
    assert arrived == [data]


def test_a_host_that_hangs_up_in_the_midst_has_no_message() -> None:
    with pytest.raises(CutShortError) as trouble:
        sent(LARGE, hangs_up(BLOCK))

    assert isinstance(trouble.value.cause, SMTPServerDisconnected | ConnectionError)


def test_a_host_that_takes_no_more_is_left_after_a_while() -> None:
    with pytest.raises(CutShortError) as trouble:
        sent(LARGE, stays_silent, block_seconds=0.05)

    assert isinstance(trouble.value.cause, TimeoutError)


async def stays_silent(client: socket.socket) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("words", [b"552 5.3.4 Too large\r\n", b"250 2.0.0 Whatever\r\n"])
def test_what_a_host_says_in_the_midst_is_heard_at_once(words: bytes) -> None:
    with pytest.raises(CutShortError) as trouble:
        sent(LARGE, says(words, after=BLOCK))

    assert isinstance(trouble.value.cause, SMTPResponseException)
    assert f"{trouble.value.cause.code} {trouble.value.cause.message}" == words.decode().rstrip()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_a_host_that_hangs_up_behind_the_end_may_have_the_message(data: bytes) -> None:
    with pytest.raises(SMTPServerDisconnected):
        sent(data, hangs_up(len(data)))
