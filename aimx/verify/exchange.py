"""One question to one DNS server, and its answer.

RFC 5452 9.2: each question has a random id and, while it is open, a socket of its own on a random
port that is connected to the server. Only what arrives there with the same id and question is an
answer; anything else on that socket looks like a guess at one, so the question is put again over
TCP. A socket that has brought its answer serves the next question, for a while: making one anew
costs more than all the rest. One on which something arrives that nobody waits for serves no more.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import struct
from collections import deque

import dns.name
import dns.rdataclass
import dns.rdatatype

from aimx.verify.patience import Patience
from desired.quantities import Endpoint

HEADER = 12  # Octets: RFC 1035 4.1.1.
ID = 2  # Octets.
QUESTIONS = 50  # That one socket serves, one after the other.
SECONDS = 30.0  # For which it does.
LARGEST = 65535  # Octets of a datagram.
PAYLOAD = 1232  # Octets that an answer over UDP may have without fragments on any usual path.

# RFC 1035 4.1.1 after the id: recursion desired, one question, one additional record,
# which is RFC 6891's: how much an answer over UDP may hold.
_REST_OF_HEADER = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
_OPT = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, PAYLOAD, 0, 0)
# Nearly all names that stand in mail; dnspython knows the others.
_USUAL_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_IS_ANSWER = 0x80
_IS_TRUNCATED = 0x02


class MismatchError(Exception):
    """A server answered over TCP, but not to what it was asked."""


def question(name: str, record: str) -> bytes:
    """RFC 1035 4.1.2. Raises DNSException or UnicodeError for a name that cannot be asked for."""
    usual = _USUAL_NAME.fullmatch(name)
    wire = _usual(name) if usual else dns.name.from_text(name).to_digestable()
    return wire + struct.pack("!HH", dns.rdatatype.from_text(record), dns.rdataclass.IN)


def _usual(name: str) -> bytes:
    labels = name.lower().encode().split(b".")
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


class Lines:
    """The sockets of one event loop to all its servers, each of which has so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._patience = Patience(seconds)
        self._idle: dict[Endpoint, deque[_Line]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # None until something is asked.
        self._released = False

    async def ask(self, server: Endpoint, asked: bytes) -> bytes:
        """The message that answers. Raises TimeoutError, OSError or MismatchError."""
        self._loop = loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        query = secrets.token_bytes(ID) + _REST_OF_HEADER + asked + _OPT
        data = await self._by_datagram(server, query)
        if data is not None and not data[ID] & _IS_TRUNCATED:
            return data
        async with asyncio.timeout_at(until):
            data = await _by_stream(server, query)
        if not _answers(data, query):
            raise MismatchError("the answer is to another question")
        return data

    def release(self) -> None:
        """Keep no socket any more but those whose question is open. From any thread."""
        self._released = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.close)

    def close(self) -> None:
        """The same, at once."""
        self._released = True
        for idle in self._idle.values():
            while idle:
                idle.popleft().close()

    async def _by_datagram(self, server: Endpoint, query: bytes) -> bytes | None:
        """None: what came is no answer to that."""
        line = self._taken(server)
        try:
            data = await line.exchange(query, self._patience)
        except BaseException:
            # What comes late must not be taken for the answer to the next question.
            line.close()
            raise
        matches = _answers(data, query)
        if self._released or line.is_spent or not matches:
            line.close()
        else:
            self._idle.setdefault(server, deque()).append(line)
        return data if matches else None

    def _taken(self, server: Endpoint) -> _Line:
        idle = self._idle.get(server)
        while idle:
            line = idle.popleft()
            if not line.is_spent:
                return line
            line.close()
        return _Line(server)


class _Line:
    """One socket, for one question after the other."""

    def __init__(self, server: Endpoint) -> None:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_DGRAM
        )[0]
        self._loop = asyncio.get_running_loop()
        self._left = QUESTIONS
        self._until = self._loop.time() + SECONDS
        self._answer: asyncio.Future[bytes] | None = None  # None: nobody waits.
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.setblocking(False)  # noqa: FBT003 - it has no other name
            self._socket.connect(address)
            # Once for all of its questions. By its number: where the loop does not know a socket,
            # it first writes down which one.
            self._loop.add_reader(self._socket.fileno(), self._read)
        except BaseException:
            self._socket.close()
            raise

    @property
    def is_spent(self) -> bool:
        """Whether its port has been in use for so long that it may be guessed at."""
        return self._left <= 0 or self._loop.time() > self._until

    async def exchange(self, query: bytes, patience: Patience) -> bytes:
        """Ask, and take the first datagram that comes; whose it is, is for who asks to see."""
        self._left -= 1
        self._answer = self._loop.create_future()
        self._socket.send(query)
        patience.watch(self._answer)
        return await self._answer

    def close(self) -> None:
        self._left = 0
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        try:
            heard: bytes | OSError = self._socket.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError as failure:
            heard = failure
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            self.close()  # Nobody asked for that: it may be a guess, and others may follow.
        elif isinstance(heard, bytes):
            answer.set_result(heard)
        else:
            answer.set_exception(heard)


def _answers(data: bytes, query: bytes) -> bool:
    end = len(query) - len(_OPT)
    return (
        len(data) >= end
        and data[:ID] == query[:ID]
        and data[HEADER:end] == query[HEADER:end]
        and bool(data[ID] & _IS_ANSWER)
    )


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
