"""A message's content on its way to a host: how long it may take, and whether its end has left.

A host that was not sent the final dot cannot have the message, whatever becomes of the connection.
"""

from __future__ import annotations

import asyncio

from aiosmtplib import SMTPException, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

# RFC 5321 4.5.3.2.6: who gives up earlier on the reply to the final dot delivers twice.
FINAL_DOT_SECONDS = 600.0
BLOCK_SECONDS = 180.0  # RFC 5321 4.5.3.2.5: for each block, however many there are.
BLOCK = 128 * 1024  # Octets: most messages are one, and the system takes as much at once.


class CutShortError(SMTPException):
    """The host was not sent the message's end."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause  # A reply, where the host did not want to hear the end.


async def handed_over(
    protocol: SMTPProtocol, data: bytes, block_seconds: float = BLOCK_SECONDS
) -> SMTPResponse:
    """Send the content with its final dot, and give what the host says to it.

    Raises `CutShortError` for whatever happens before the last block is written.
    """
    if len(data) <= BLOCK:
        try:
            protocol.write(data)
        except SMTPException as cause:
            raise CutShortError(cause) from cause
        return await protocol.read_response(timeout=FINAL_DOT_SECONDS)
    said = asyncio.ensure_future(protocol.read_response())
    try:
        await _sent(protocol, data, said, block_seconds)
        return await asyncio.wait_for(said, FINAL_DOT_SECONDS)
    finally:
        if not said.cancel() and not said.cancelled():
            said.exception()  # Else asyncio logs one that nobody has asked for.


async def _sent(
    protocol: SMTPProtocol, data: bytes, said: asyncio.Future[SMTPResponse], seconds: float
) -> None:
    """All of it is written, and all but the last block taken by the system."""
    try:
        for at in range(0, len(data), BLOCK):
            if at:
                await _taken(protocol, said, seconds)
            protocol.write(data[at : at + BLOCK])
    except (SMTPException, OSError) as cause:
        raise CutShortError(cause) from cause


async def _taken(
    protocol: SMTPProtocol, said: asyncio.Future[SMTPResponse], seconds: float
) -> None:
    """Wait until what was written is taken, or until the host says something instead."""
    transport = protocol.transport
    if not isinstance(transport, asyncio.WriteTransport):
        raise SMTPServerDisconnected("Connection lost")
    # Not 0 for both: in TLS nothing at all would be too much, and never be seen to be gone.
    transport.set_write_buffer_limits(high=1, low=0)
    # The library has it for `StreamWriter.drain`, and no other name for it.
    taken = asyncio.ensure_future(protocol._drain_helper())
    either: tuple[asyncio.Future[None], asyncio.Future[SMTPResponse]] = taken, said
    try:
        async with asyncio.timeout(seconds):
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if said.done():
            raise SMTPResponseException(said.result().code, said.result().message)
        taken.result()
    finally:
        taken.cancel()
