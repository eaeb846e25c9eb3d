"""A client that sends distinct messages over many sessions and counts what is answered 250.

It waits for each reply before it says the next thing, as most servers' peers do. It polls sockets
by itself, since an event loop's callbacks would cost more than what is measured.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

RECIPIENT = "agent@example.com"
SENDER = "someone@sender.example"
_LINE = b"The quick brown fox jumps over the lazy dog, and nobody asks it why.\r\n"
_PATIENCE = 20.0  # Seconds of silence after which a server counts as stuck.


class LoadError(Exception):
    """The server did not do what a measurement needs."""


class Letter(NamedTuple):
    """One message, ready to be sent."""

    sender: bytes
    wire: bytes  # What follows DATA, with the dot.


class Supply(Protocol):
    """Messages, no two alike."""

    def __next__(self) -> Letter: ...


@dataclass(slots=True)
class Messages:
    """An endless supply, each with a Message-ID of its own."""

    size: int  # Octets.
    signature: bytes = b""  # A header field that stands first, and covers no Message-ID.
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _begun: int = field(default_factory=time.time_ns)

    def content(self, number: int, sender: str = SENDER) -> bytes:
        head = (
            b"From: Someone <" + sender.encode() + b">\r\nTo: " + RECIPIENT.encode() + b"\r\n"
            b"Date: Thu, 01 Jan 2026 12:00:00 +0000\r\nSubject: A measurement\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Message-ID: <%x.%08d@sender.example>\r\n\r\n" % (self._begun, number)
        )
        lines = max(self.size - len(head), 0) // len(_LINE)
        return head + _LINE * lines

    def __next__(self) -> Letter:
        content = self.content(next(self._numbers))
        return Letter(SENDER.encode(), self.signature + content + b".\r\n")


@dataclass(frozen=True, slots=True)
class Load:
    """How a server is used."""

    port: int
    sessions: int
    kept: bool  # One connection a session, and not one a message.
    seconds: float
    most: int | None = None  # Messages, whatever time is left.


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages were answered 250, from the first connection to the last such answer."""

    messages: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


def send(load: Load, messages: Supply) -> Sent:
    """Send until the time is up, and let every message that has begun come to its end."""
    poll = select.epoll()
    begun = time.perf_counter()
    open_ended = _Run(poll, load, messages, begun + load.seconds)
    try:
        for _ in range(load.sessions):
            open_ended.connect()
        while open_ended.sessions:
            events = poll.poll(_PATIENCE)
            if not events:
                raise LoadError(f"port {load.port} said nothing for {_PATIENCE:g} s")
            for descriptor, _ in events:
                open_ended.hear(descriptor)
    finally:
        for session in open_ended.sessions.values():
            session.socket.close()
        poll.close()
    return Sent(open_ended.accepted, open_ended.last - begun)


@dataclass(slots=True)
class _Session:
    socket: socket.socket
    steps: Iterator[tuple[bytes, bytes]]  # The reply that must come, and what to say then.
    expected: bytes
    answer: bytes
    heard: bytes = b""


class _Run:
    """The sessions of one load."""

    def __init__(self, poll: select.epoll, load: Load, messages: Supply, deadline: float) -> None:
        self.sessions: dict[int, _Session] = {}
        self.accepted = 0
        self._begun = 0
        self.last = 0.0
        self._poll = poll
        self._load = load
        self._messages = messages
        self._deadline = deadline

    def connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self._load.port), _PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        steps = self._steps()
        self.sessions[connection.fileno()] = _Session(connection, steps, *next(steps))
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def hear(self, descriptor: int) -> None:
        """Take what a server said; once a reply is whole, say what comes next."""
        session = self.sessions[descriptor]
        said = session.socket.recv(65536)
        session.heard += said
        if not said and session.answer:
            raise LoadError("the server hung up")
        if not _is_whole(session.heard):
            return
        if not session.heard.startswith(session.expected):
            raise LoadError(f"the server said {session.heard[:200]!r}")
        session.heard = b""
        if session.answer:
            session.socket.sendall(session.answer)
            session.expected, session.answer = next(session.steps)
        else:
            self._part(session)

    def _part(self, session: _Session) -> None:
        descriptor = session.socket.fileno()
        self._poll.unregister(descriptor)
        del self.sessions[descriptor]
        session.socket.close()
        if not self._load.kept and not self._is_over():
            self.connect()

    def _steps(self) -> Iterator[tuple[bytes, bytes]]:
        """One session as a dialogue; what follows 221 is nothing."""
        letter = self._next()
        yield b"220", b"EHLO sender.example\r\n"
        yield b"250", _mail(letter)
        while True:
            yield b"250", b"RCPT TO:<%b>\r\n" % RECIPIENT.encode()
            yield b"250", b"DATA\r\n"
            yield b"354", letter.wire
            # Taken when the reply to the content is waited for, and so counted by the next step.
            ends = not self._load.kept or self._is_over()
            letter = letter if ends else self._next()
            yield b"250", b"QUIT\r\n" if ends else _mail(letter)
            self._count()
            if ends:
                yield b"221", b""

    def _next(self) -> Letter:
        self._begun += 1
        return next(self._messages)

    def _count(self) -> None:
        self.accepted += 1
        self.last = time.perf_counter()

    def _is_over(self) -> bool:
        most = self._load.most
        return time.perf_counter() >= self._deadline or (most is not None and self._begun >= most)


def _mail(letter: Letter) -> bytes:
    return b"MAIL FROM:<%b>\r\n" % letter.sender


def _is_whole(heard: bytes) -> bool:
    """Whether a reply has ended: its last line has no hyphen behind the code (RFC 5321 4.2.1)."""
    if not heard.endswith(b"\r\n"):
        return False
    last = heard.rfind(b"\n", 0, -1) + 1
    return heard[last + 3 : last + 4] != b"-"
