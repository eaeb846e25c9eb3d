"""A session fed whole, byte by byte or cut anywhere says the same and hands on the same."""

import asyncio
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from aimx.smtp.connection import Connection
from aimx.smtp.replies import ACCEPTED, Reply
from aimx.smtp.service import Received, Service
from aimx.smtp.session import Session
from aimx.snapshot import Limits, Route, Snapshot, SnapshotId

SNAPSHOT = Snapshot(
    SnapshotId(1),
    "mx.example.com",
    ("example.com",),
    {"info@example.com": Route("info@example.com", "example.com", "info", 1000)},
    limits=Limits(message_size=60, recipients=2),
)
MESSAGE = b"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<info@example.com>\r\nDATA\r\n"
FRAGMENTS = [
    MESSAGE,
    b"MAIL FROM:<>\r\n",
    b"RCPT TO:<info@example.com>\r\n",
    b"DATA\r\n",
    b".\r\n",
    b"..text\r\n",
    b"x" * 50,
    b"\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"EHLO c\r\n",
    b"QUIT\r\n",
    b"\n",
    b"\r",
    b"\xff",
    b"x" * 5000,
]
streams = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)


class Wire(asyncio.Transport):
    """Keeps what is said; nobody is at the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.ended = False
        self.unsent = 0  # Octets that nobody takes.
        self.aborted = asyncio.Event()

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.said += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted.set()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def played(blocks: list[bytes]) -> tuple[bytes, bool, list[bytes]]:
    """What was said, whether we hung up, and the contents that were handed on."""
    contents = []

    async def receive(received: Received) -> Reply:
        contents.append(received.incoming.content)
        return ACCEPTED

    session, wire = connected(receive)
    for block in blocks:
        feed(session, block)
        while session.busy:
            await asyncio.sleep(0)
    session.connection_lost(None)
    return wire.said, wire.ended, contents


def connected(receive) -> tuple[Session, Wire]:
    # Nothing here is large enough for the spool.
    service = Service(lambda: SNAPSHOT, lambda: None, receive, lambda _: None, spool=-1)
    session, wire = Session(asyncio.get_running_loop(), service, "192.0.2.1", lambda: None), Wire()
    session.connection_made(wire)
    return session, wire


def feed(session: Session, block: bytes) -> None:
    session.get_buffer(-1)[: len(block)] = block
    session.buffer_updated(len(block))


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges) if start < end]


@settings(max_examples=100)
@given(streams, st.data())
@example(MESSAGE + b"text\r\n.\r\nMAIL FROM:<>\r\n", None)
def test_a_session_is_the_same_however_it_is_cut(whole, data):
    places = data.draw(st.lists(st.integers(0, len(whole)), max_size=8)) if data else [1]

    at_once = asyncio.run(played([whole] if whole else []))

    assert asyncio.run(played(cut(whole, places))) == at_once
    assert asyncio.run(played([bytes([octet]) for octet in whole])) == at_once


def test_a_flood_of_commands_lets_others_have_their_turn():
    async def run() -> list[int]:
        session, wire = connected(None)
        said = []
        feed(session, b"NOOP\r\n" * 1200)
        while not said or said[-1] < 1200:
            said.append(wire.said.count(b"250 2.0.0 OK"))
            await asyncio.sleep(0)
        session.connection_lost(None)
        return said

    assert asyncio.run(run()) == [500, 1000, 1200]


def test_a_client_that_does_not_take_our_last_word_is_cut_off(monkeypatch):
    monkeypatch.setattr(Connection, "linger", 0.0)

    async def run() -> None:
        session, wire = connected(None)
        wire.unsent = 1
        feed(session, b"QUIT\r\n")
        async with asyncio.timeout(5):
            await wire.aborted.wait()
        session.connection_lost(None)

    asyncio.run(run())


def test_a_flood_of_commands_waits_while_nobody_reads_the_replies():
    async def run() -> list[int]:
        session, wire = connected(None)
        said = []
        feed(session, b"NOOP\r\n" * 1200)
        session.pause_writing()
        for _ in range(5):
            await asyncio.sleep(0)
            said.append(wire.said.count(b"250 2.0.0 OK"))
        session.resume_writing()
        while said[-1] < 1200:
            await asyncio.sleep(0)
            said.append(wire.said.count(b"250 2.0.0 OK"))
        session.connection_lost(None)
        return said

    assert asyncio.run(run()) == [500] * 5 + [1000, 1200]


def test_a_flood_ends_with_its_client():
    async def run() -> None:
        session, wire = connected(None)
        feed(session, b"NOOP\r\n" * 1200)
        session.connection_lost(None)
        await asyncio.sleep(0)
        assert wire.said.count(b"250 2.0.0 OK") == 500

    asyncio.run(run())
