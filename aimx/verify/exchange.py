"""One question to one DNS server, and its answer.

RFC 5452 9.2: each question has a random id and a socket of its own on a random port that is
connected to the server. Only what arrives there with the same id and question is an answer;
anything else on that socket looks like a guess at one, so the question is put again over TCP.
"""

from __future__ import annotations

import asyncio
import struct

import dns.exception
import dns.flags
import dns.message

from desired.quantities import Endpoint

PAYLOAD = 1232  # Octets that an answer over UDP may have without fragments on any usual path.


class MismatchError(Exception):
    """A server answered over TCP, but not to what it was asked."""


async def ask(server: Endpoint, name: str, record: str, timeout: float) -> dns.message.Message:
    """The server's answer. Raises TimeoutError, OSError, MismatchError or DNSException."""
    query = dns.message.make_query(name, record, use_edns=0, payload=PAYLOAD)
    async with asyncio.timeout(timeout):
        return await _by_datagram(server, query) or await _by_stream(server, query)


async def _by_datagram(server: Endpoint, query: dns.message.Message) -> dns.message.Message | None:
    """None: it must be asked over TCP."""
    loop = asyncio.get_running_loop()
    waiting = _Waiting(query, loop.create_future())
    transport, _ = await loop.create_datagram_endpoint(
        lambda: waiting, remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(query.to_wire())
        return await waiting.answer
    finally:
        transport.close()


class _Waiting(asyncio.DatagramProtocol):
    """Takes the first datagram that arrives; there is no second."""

    def __init__(
        self, query: dns.message.Message, answer: asyncio.Future[dns.message.Message | None]
    ) -> None:
        self._query = query
        self.answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result(_complete_answer(data, self._query))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def _complete_answer(data: bytes, query: dns.message.Message) -> dns.message.Message | None:
    try:
        message = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError):
        return None
    if message.flags & dns.flags.TC or not query.is_response(message):
        return None
    return message


async def _by_stream(server: Endpoint, query: dns.message.Message) -> dns.message.Message:
    """RFC 7766: the message after its length in two octets."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            message = dns.message.from_wire(await reader.readexactly(length))
        except asyncio.IncompleteReadError as cause:
            raise ConnectionResetError("the connection ended within the answer") from cause
    finally:
        writer.close()
    if not query.is_response(message):
        raise MismatchError("the answer is to another question")
    return message
