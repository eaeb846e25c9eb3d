"""One question to one DNS server, and its answer.

RFC 5452 9.2: each question has a random id and a socket of its own on a random port that is
connected to the server. Only what arrives there with the same id and question is an answer;
anything else on that socket looks like a guess at one, so the question is put again over TCP.
"""

from __future__ import annotations

import asyncio
import secrets
import struct

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from desired.quantities import Endpoint

HEADER = 12  # Octets: RFC 1035 4.1.1.
ID = 2  # Octets.
PAYLOAD = 1232  # Octets that an answer over UDP may have without fragments on any usual path.

# RFC 1035 4.1.1 after the id: recursion desired, one question, one additional record,
# which is RFC 6891's: how much an answer over UDP may hold.
_REST_OF_HEADER = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
_OPT = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, PAYLOAD, 0, 0)
_IS_ANSWER = 0x80
_IS_TRUNCATED = 0x02


class MismatchError(Exception):
    """A server answered over TCP, but not to what it was asked."""


def question(name: str, record: str) -> bytes:
    """RFC 1035 4.1.2. Raises DNSException or UnicodeError for a name that cannot be asked for."""
    wire = dns.name.from_text(name).to_digestable()
    return wire + struct.pack("!HH", dns.rdatatype.from_text(record), dns.rdataclass.IN)


async def ask(server: Endpoint, asked: bytes, timeout: float) -> dns.message.Message:
    """What the server says. Raises TimeoutError, OSError, MismatchError or DNSException."""
    query = secrets.token_bytes(ID) + _REST_OF_HEADER + asked + _OPT
    async with asyncio.timeout(timeout):
        data = await _by_datagram(server, query)
        if not _answers(data, query) or data[ID] & _IS_TRUNCATED:
            data = await _by_stream(server, query)
    if not _answers(data, query):
        raise MismatchError("the answer is to another question")
    return dns.message.from_wire(data)


def _answers(data: bytes, query: bytes) -> bool:
    end = len(query) - len(_OPT)
    return (
        len(data) >= end
        and data[:ID] == query[:ID]
        and data[HEADER:end] == query[HEADER:end]
        and bool(data[ID] & _IS_ANSWER)
    )


async def _by_datagram(server: Endpoint, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _First(arrived), remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(query)
        return await arrived
    finally:
        transport.close()


class _First(asyncio.DatagramProtocol):
    """Takes the first datagram; there is no second."""

    def __init__(self, arrived: asyncio.Future[bytes]) -> None:
        self._arrived = arrived

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._arrived.done():
            self._arrived.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._arrived.done():
            self._arrived.set_exception(exc)


async def _by_stream(server: Endpoint, query: bytes) -> bytes:
    """RFC 7766 8: the message after its length in two octets."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as cause:
        raise ConnectionResetError("the connection ended within the answer") from cause
    finally:
        writer.close()
