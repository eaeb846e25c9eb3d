import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aimx.channel.room import Room
from aimx.smtp import replies
from aimx.smtp.connection import Connection
from aimx.smtp.replies import OK, Reply
from aimx.smtp.service import Service
from aimx.smtp.session import Session
from aimx.snapshot import Limits, Route, Snapshot, SnapshotId

LARGE = (b"x" * 998 + b"\r\n") * 3000


async def deliver(client, content: bytes, recipient: bytes = b"info@example.com") -> str:
    """One message on an open session, its commands in one write; gives the last reply."""
    client.say(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n" % recipient)
    for code in ("250", "250", "354"):
        assert (await client.reply()).startswith(code)
    client.say(content + b".\r\n")
    return await client.reply()


def test_five_thousand_messages_are_fine_in_one_session(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            for number in range(5000):
                assert await deliver(client, b"%d\r\n" % number) == "250 2.0.0 OK"
            assert server.contents == [b"%d\r\n" % number for number in range(5000)]

    asyncio.run(run())


def test_two_hundred_clients_are_served_at_once(serve):
    everybody = asyncio.Barrier(200)

    async def one(server, number: int) -> None:
        async with server.client() as client:
            await client.ask(b"HELO c.example")
            await everybody.wait()
            assert await deliver(client, b"%d\r\n" % number) == "250 2.0.0 OK"

    async def run() -> None:
        async with serve() as server:
            await asyncio.gather(*(one(server, number) for number in range(200)))
            await server.greeter.drain()
            assert sorted(map(int, server.contents)) == list(range(200))
            assert server.closed == ["127.0.0.1"] * 200

    asyncio.run(run())


def test_a_client_that_vanishes_within_data_leaves_nothing(serve, tmp_path: Path):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.begin()
                client.say(LARGE + b".")
                await client.writer.drain()
            await server.greeter.drain()
            assert server.received == []
            assert server.closed == ["127.0.0.1"]
            assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_a_command_of_ten_thousand_bytes_is_refused_and_the_session_goes_on(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            assert await client.ask(b"NOOP " + b"x" * 10_000) == "500 5.5.2 Line too long"
            assert await client.ask(b"NOOP " + b"x" * 1018) == "500 5.5.2 Line too long"
            assert await client.ask(b"NOOP " + b"x" * 1017) == "250 2.0.0 OK"

    asyncio.run(run())


def test_a_long_command_is_for_smtputf8(serve):
    long = b"x" * 1500 + b"@agents.example"

    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"EHLO c.example")
            mail, rcpt = b"MAIL FROM:<%s>" % long, b"RCPT TO:<%s>" % long
            assert await client.ask(mail) == "500 5.5.2 Line too long"
            assert await client.ask(mail + b" SMTPUTF8") == "250 2.1.0 OK"
            assert await client.ask(rcpt) == "250 2.1.5 OK"

    asyncio.run(run())


def test_a_text_line_that_is_too_long_is_refused_after_the_end(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.begin()
            client.say(b"x" * 70_000 + b"\r\n.\r\n")
            assert await client.reply() == "550 5.6.0 Text line too long (reference ...)"
            assert await deliver(client, b"x\r\n") == "250 2.0.0 OK"
            assert server.contents == [b"x\r\n"]

    asyncio.run(run())


def test_eight_bits_pass_byte_for_byte(serve):
    content = bytes(set(range(1, 256)) - {10, 13}) + b"\r\n" + "ü€😀".encode() * 3000 + b"\r\n"

    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            assert await deliver(client, content) == "250 2.0.0 OK"
            assert server.contents == [content]

    asyncio.run(run())


def test_a_large_message_waits_on_disk_without_a_name(serve, tmp_path: Path):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            assert await deliver(client, LARGE) == "250 2.0.0 OK"
            assert server.contents == [LARGE]
            assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_what_the_header_of_a_large_message_needs_is_looked_up_while_it_is_on_disk(serve):
    async def run() -> None:
        async with serve(memory=Room(1)) as server, server.client() as client:
            await server.memory.take(1)
            await client.ask(b"HELO c.example")
            delivering = asyncio.create_task(deliver(client, LARGE))
            async with asyncio.timeout(20):
                while not server.foreseen:
                    await asyncio.sleep(0)
            (foreseen,) = server.foreseen
            assert LARGE.startswith(foreseen.incoming.content)
            assert len(foreseen.incoming.content) < len(LARGE) // 10
            assert server.contents == []
            server.memory.give_back(1)
            assert await delivering == "250 2.0.0 OK"

    asyncio.run(run())


def test_a_message_in_memory_is_looked_at_once(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            assert await deliver(client, b"Subject: small\r\n") == "250 2.0.0 OK"
            assert (len(server.received), server.foreseen) == (1, [])

    asyncio.run(run())


def test_no_more_large_messages_are_in_memory_than_fit(serve):
    most = []

    async def run() -> None:
        held: list[bytes] = []
        two = asyncio.Event()

        async def receive(received) -> Reply:
            held.append(received.incoming.content)
            most.append(len(held))
            if len(held) == 2:
                two.set()
            await two.wait()
            await asyncio.sleep(0.05)  # Time for a third to come in, were it let in.
            held.pop()
            return OK

        async def one(server) -> None:
            async with server.client() as client:
                await client.ask(b"HELO c.example")
                assert await deliver(client, LARGE) == "250 2.0.0 OK"

        async with serve(receive=receive, memory=Room(2 * len(LARGE))) as server:
            await asyncio.gather(*(one(server) for _ in range(6)))

    asyncio.run(run())

    assert max(most) == 2


def test_a_spool_that_fails_is_for_later_and_the_session_goes_on(serve, spool):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            nowhere = os.open(os.devnull, os.O_RDONLY)
            saved = os.dup(spool)
            os.dup2(nowhere, spool)
            refusal = "452 4.3.1 Insufficient system storage (reference ...)"
            assert await deliver(client, LARGE) == refusal
            os.dup2(saved, spool)
            os.close(nowhere)
            os.close(saved)
            assert await deliver(client, LARGE) == "250 2.0.0 OK"
            assert server.contents == [LARGE]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        pytest.param(b"a@agents.example", "452 4.5.3", id="beyond-the-limit"),
        pytest.param(b"ownerless@example.com", "450 4.2.1", id="owner-missing"),
    ],
)
def test_recipients_that_are_put_off_do_not_fill_the_log(serve, capsys, recipient, code):
    async def run() -> None:
        async with serve(Limits(recipients=1)) as server, server.client() as client:
            await client.ask(b"HELO c.example")
            for _ in range(2):
                await client.ask(b"MAIL FROM:<a@example.org>")
                for _ in range(50):
                    await client.ask(b"RCPT TO:<%s>" % recipient)
                assert client.heard[-1].startswith(code)
                await client.ask(b"RSET")

    asyncio.run(run())

    assert capsys.readouterr().out.count("recipient refused") == 2


def test_each_recipient_that_is_refused_for_good_is_in_the_log(serve, capsys):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            await client.ask(b"MAIL FROM:<a@example.org>")
            for name in (b"one", b"two", b"three"):
                assert (await client.ask(b"RCPT TO:<%s@else.example>" % name)).startswith("550")

    asyncio.run(run())

    logged = capsys.readouterr().out
    assert [logged.count(f"recipient={name}@else.example") for name in ("one", "two")] == [1, 1]
    assert logged.count("recipient refused") == 3


def test_an_unexpected_error_says_nothing_but_a_reference_that_is_in_the_log(serve, capsys):
    async def receive(received) -> Reply:
        raise ValueError("the secret of " + received.incoming.envelope.sender)

    said: list[str] = []

    async def run() -> None:
        async with serve(receive=receive) as server, server.client() as client:
            await client.ask(b"HELO c.example")
            await deliver(client, b"x\r\n")
            said.append(client.heard[-1])
            server.receive = None
            assert await deliver(client, b"y\r\n") == "250 2.0.0 OK"

    asyncio.run(run())

    text, _, reference = said[0].partition(" (reference ")
    assert text == "451 4.3.0 Internal error, try again later"
    assert reference.removesuffix(")") in capsys.readouterr().out


def test_an_unexpected_error_in_a_command_ends_nothing(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"HELO c.example")
            good = server.snapshot
            server.snapshot = None
            assert (await client.ask(b"MAIL FROM:<a@example.org>")).startswith("451 4.3.0 ")
            server.snapshot = good
            assert await client.ask(b"MAIL FROM:<a@example.org>") == "250 2.1.0 OK"

    asyncio.run(run())


def test_a_transaction_keeps_the_snapshot_of_its_mail_and_the_next_has_the_new_one(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            before = server.snapshot
            await client.ask(b"HELO c.example")
            await client.ask(b"MAIL FROM:<a@example.org>")
            after = server.snapshot = replace(before, domains=("other.example",), routes={})
            assert await client.ask(b"RCPT TO:<info@example.com>") == "250 2.1.5 OK"
            assert (await client.ask(b"DATA")).startswith("354")
            assert await client.ask(b"x\r\n.") == "250 2.0.0 OK"
            assert server.received[0].snapshot is before
            assert server.received[0].routes == (
                ("info@example.com", before.routes["info@example.com"]),
            )

            await client.ask(b"MAIL FROM:<a@example.org>")
            assert await client.ask(b"RCPT TO:<info@example.com>") == (
                "550 5.7.1 relay not permitted"
            )
            assert server.snapshot is after

    asyncio.run(run())


def test_who_brought_a_message_is_known(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"EHLO [192.0.2.1]")
            await deliver(client, b"x\r\n")
            incoming = server.received[0].incoming
            assert (incoming.envelope.client.address, incoming.envelope.client.helo) == (
                "127.0.0.1",
                "[192.0.2.1]",
            )
            assert incoming.received_at.utcoffset().total_seconds() == 0

    asyncio.run(run())


def test_what_comes_while_a_message_is_received_waits(serve):
    async def run() -> None:
        received, go = asyncio.Event(), asyncio.Event()

        async def receive(_) -> Reply:
            received.set()
            await go.wait()
            return OK

        async with serve(receive=receive) as server, server.client() as client:
            await client.begin()
            client.say(b"x\r\n.\r\nNOOP\r\n")
            await received.wait()
            client.say(b"RSET\r\n" * 100_000 + b"QUIT\r\n")
            go.set()
            assert await client.rest() == ["250 2.0.0 OK"] * 100_002 + ["221 2.0.0 Bye"]

    asyncio.run(run())


def test_a_client_that_has_said_all_still_hears_the_reply(serve):
    async def run() -> None:
        received, go = asyncio.Event(), asyncio.Event()

        async def receive(_) -> Reply:
            received.set()
            await go.wait()
            return OK

        async with serve(receive=receive) as server, server.client() as client:
            await client.begin()
            client.say(b"x\r\n.\r\n")
            client.writer.write_eof()
            await received.wait()
            go.set()
            assert await client.rest() == ["250 2.0.0 OK"]

    asyncio.run(run())


def test_a_client_that_leaves_before_the_reply_has_still_sent_its_message(serve):
    async def run() -> None:
        received, go, contents = asyncio.Event(), asyncio.Event(), []

        async def receive(it) -> Reply:
            received.set()
            await go.wait()
            contents.append(it.incoming.content)
            return OK

        async with serve(receive=receive) as server:
            async with server.client() as client:
                await client.begin()
                client.say(b"x\r\n.\r\n")
                await received.wait()
                client.writer.transport.abort()
            assert server.closed == []
            go.set()
            await server.greeter.drain()
            assert contents == [b"x\r\n"]
            assert server.closed == ["127.0.0.1"]

    asyncio.run(run())


def test_a_client_that_does_not_read_is_not_read_from(serve):
    async def run() -> None:
        async with serve(Limits(idle_timeout=0.5)) as server:
            async with server.client() as client:
                client.writer.transport.pause_reading()
                # It would take all of this, were there room for its replies.
                client.say(b"NOOP\r\n" * 5_000_000)
                with suppress(ConnectionError):
                    await client.writer.drain()
                assert client.writer.transport.is_closing()
            await server.greeter.drain()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limits", "said", "reply"),
    [
        pytest.param(
            Limits(idle_timeout=0.05), None, "421 4.4.2 Idle timeout exceeded", id="no-command"
        ),
        pytest.param(
            Limits(data_timeout=0.05), b"x\r\n", "421 4.4.2 Timeout during DATA", id="no-end"
        ),
    ],
)
def test_a_client_that_is_too_slow_is_let_go(limits, said, reply, serve):
    async def run() -> None:
        async with serve(limits) as server:
            async with server.client() as client:
                if said is not None:
                    await client.begin()
                    client.say(said)
                assert await client.rest() == [reply]
            assert server.received == []

    asyncio.run(run())


def test_dripping_does_not_extend_the_deadline_of_data(serve):
    async def run() -> None:
        async with serve(Limits(data_timeout=0.1)) as server, server.client() as client:
            await client.begin()
            reading = asyncio.create_task(client.rest())
            while not reading.done():
                client.say(b"x\r\n")
                await asyncio.wait([reading], timeout=0.005)
            assert reading.result() == ["421 4.4.2 Timeout during DATA"]

    asyncio.run(run())


def test_receiving_counts_as_no_silence(serve):
    async def run() -> None:
        async def receive(_) -> Reply:
            await asyncio.sleep(1.3)
            return OK

        limits = Limits(idle_timeout=1.0)
        async with serve(limits, receive=receive) as server, server.client() as client:
            await client.begin()
            assert await client.ask(b"x\r\n.") == "250 2.0.0 OK"

    asyncio.run(run())


def test_draining_ends_idle_sessions_at_once_and_others_after_their_message(serve):
    goodbye = "421 4.3.2 Service shutting down, try again later"

    async def run() -> None:
        async with serve() as server:
            async with server.client() as idle, server.client() as sending:
                await sending.begin()
                draining = asyncio.create_task(server.greeter.drain())
                assert await idle.rest() == [goodbye]
                sending.say(b"x\r\n.\r\nMAIL FROM:<b@example.org>\r\n")
                assert await sending.rest() == ["250 2.0.0 OK", goodbye]
            await draining
            assert server.contents == [b"x\r\n"]

    asyncio.run(run())


def test_a_connection_that_is_handed_over_too_late_is_told_so(serve):
    async def run() -> None:
        async with serve() as server:
            await server.greeter.drain()
            async with server.client(greeted=False) as client:
                assert await client.rest() == ["421 4.3.2 Service shutting down, try again later"]

    asyncio.run(run())


def test_the_greeting_is_the_current_host_name(serve):
    async def run() -> None:
        async with serve() as server:
            server.snapshot = replace(server.snapshot, hostname="new.example.com")
            async with server.client(greeted=False) as client:
                assert await client.line() == "220 new.example.com ESMTP aimx"

    asyncio.run(run())


@asynccontextmanager
async def driven(
    spool: int, ended: Callable[[socket.socket], object] = lambda client: None
) -> AsyncIterator[tuple[Session, socket.socket]]:
    """A session that has greeted, and its client; it is told by hand what arrives."""
    ours, theirs = socket.socketpair()
    routes = {"info@example.com": Route("info@example.com", "example.com", "info", 1000)}
    service = Service(
        current=lambda: Snapshot(SnapshotId(1), "mx.example.com", ("example.com",), routes),
        tls=lambda: None,
        receive=lambda received: asyncio.sleep(0, OK),
        closed=lambda peer: None,
        spool=spool,
    )
    with theirs:
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        session = Session(loop, service, "192.0.2.1", lambda: ended(theirs))
        await loop.connect_accepted_socket(lambda: session, ours)
        assert await loop.sock_recv(theirs, 4096) == b"220 mx.example.com ESMTP aimx\r\n"
        yield session, theirs
        theirs.shutdown(socket.SHUT_WR)
        while await loop.sock_recv(theirs, 4096):
            pass


def tell(session: Session, octets: bytes) -> None:
    """As the loop does, which has no turn meanwhile."""
    session.get_buffer(-1)[: len(octets)] = octets
    session.buffer_updated(len(octets))


BEGUN = b"HELO c.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<info@example.com>\r\n"


def test_a_client_is_gone_once_it_has_our_goodbye(spool: int):
    heard: list[bytes] = []

    async def run() -> None:
        async with driven(spool, lambda client: heard.append(client.recv(4096))) as (session, _):
            tell(session, b"QUIT\r\n")
            assert heard == [replies.BYE.encoded]
        assert len(heard) == 1

    asyncio.run(run())


def test_the_deadline_of_data_ends_with_it(spool: int):
    async def run() -> None:
        async with driven(spool) as (session, _):
            tell(session, BEGUN + b"DATA\r\nx\r\n")
            assert session.deadline < math.inf
            tell(session, b".\r\n")
            assert session.deadline == math.inf

    asyncio.run(run())


@pytest.mark.parametrize("command", ["RSET", "HELO d.example", "EHLO d.example"])
def test_of_a_transaction_that_is_given_up_nothing_is_left(spool: int, command: str):
    async def run() -> None:
        async with driven(spool) as (session, _):
            tell(session, BEGUN)
            assert session.envelope is not None
            tell(session, command.encode() + b"\r\n")
            assert session.envelope is None

    asyncio.run(run())


def test_a_client_that_does_not_hang_up_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(Connection, "linger", 0.05)

    async def run() -> None:
        async with serve() as server, server.client() as client:
            client.say(b"\n")
            assert await client.rest() == [replies.MALFORMED.encoded.decode().rstrip()]
            # The client is still there; draining would wait for it.
            async with asyncio.timeout(5):
                await server.greeter.drain()

    asyncio.run(run())


def test_every_command_is_ours():
    # One of aiosmtpd's own would write to a stream that is not there.
    modules = {command.__module__ for command in Session.commands.values()}

    assert modules == {Session.__module__}
