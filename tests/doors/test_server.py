import asyncio
import contextlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath

import pytest

from aimx.doors.authorize import Caller
from aimx.doors.events import LINE, Event, Tell, event
from aimx.doors.socket import frames, server
from aimx.doors.socket.frames import Request
from aimx.doors.socket.server import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_UID, Door

Talk = Callable[[PurePosixPath], Awaitable[bytes]]


async def repeat(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
    """Answers with what it was asked."""
    content = os.pread(body, request.body_length, 0) if body >= 0 else b""
    return frames.ok_json(
        {"verb": request.verb, "uid": caller.uid, "pid": caller.pid, "body": content.decode()}
    )


async def break_down(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
    raise RuntimeError("secret detail")


def through_the_door(
    tmp_path: Path, talk: Talk, answer: Callable[..., Awaitable[bytes]] = repeat
) -> bytes:
    async def session() -> bytes:
        door = Door(answer)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        try:
            return await talk(path)
        finally:
            await door.close()

    return asyncio.run(session())


def saying(*chunks: bytes, hang_up: bool = True) -> Talk:
    async def talk(path: PurePosixPath) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        if hang_up:
            writer.write_eof()
        reply = await reader.read()
        writer.close()
        await writer.wait_closed()
        return reply

    return talk


def test_everybody_may_ask(tmp_path: Path) -> None:
    async def looked(path: PurePosixPath) -> bytes:
        return oct(os.stat(path).st_mode & 0o777).encode()

    assert through_the_door(tmp_path, looked) == b"0o666"


@pytest.mark.usefixtures("refusing_kernel")
def test_nobody_passes_a_descriptor_that_takes_long_to_close(tmp_path: Path) -> None:
    async def talk(path: PurePosixPath) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            with pytest.raises(PermissionError):
                socket.send_fds(connection, [b"AIMX/1 VERSION\n\n"], [connection.fileno()])
        return b""

    through_the_door(tmp_path, talk)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("flags", [0, int(socket.MSG_OOB)], ids=["in-line", "out-of-band"])
@pytest.mark.parametrize(
    "before",
    [b"", b"AIMX/1 SEND\n", b"AIMX/1 SEND\nContent-Length: 5\n\nhe", b"AIMX/1 VERSION\n\n"],
    ids=["at-first", "in-the-head", "in-the-body", "unread"],
)
def test_nobody_stalls_the_daemon_with_what_takes_long_to_close(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lingering: socket.socket,
    before: bytes,
    flags: int,
) -> None:
    monkeypatch.setattr(server, "refuse_descriptors", lambda listener: False)
    name = os.readlink(f"/proc/self/fd/{lingering.fileno()}")

    async def talk(path: PurePosixPath) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(before)
        # Written within the turn that it is not read in, with something before it or nothing.
        raw = writer.get_extra_info("socket").dup()
        socket.send_fds(raw, [b"\n\n"], [lingering.fileno()], flags)
        raw.close()
        lingering.close()  # Now who reads it is the last who has it.
        with contextlib.suppress(ConnectionResetError):  # What it said last may lie unread.
            assert not await reader.read() or before.startswith(b"AIMX/1 VERSION")
        writer.close()
        return await saying(b"AIMX/1 VERSION\n\n")(path)

    assert through_the_door(tmp_path, talk).startswith(b"AIMX/1 OK\n")

    while name in opened():
        time.sleep(0.01)


def opened() -> set[str]:
    """What this process has open."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(each))
    return found


def test_the_caller_is_who_the_kernel_says(tmp_path: Path) -> None:
    reply = through_the_door(tmp_path, saying(b"AIMX/1 VERSION\n\n"))

    assert f'"uid":{os.geteuid()},"pid":{os.getpid()}'.encode() in reply


def test_a_client_need_not_hang_up_to_be_answered(tmp_path: Path) -> None:
    reply = through_the_door(tmp_path, saying(b"AIMX/1 VERSION\n\n", hang_up=False))

    assert reply.startswith(b"AIMX/1 OK\n")


@pytest.mark.parametrize("cut", range(0, 44, 7))
def test_a_frame_may_come_in_pieces(tmp_path: Path, cut: int) -> None:
    frame = b"AIMX/1 SEND\nContent-Length: 5\n\nhelloignored"

    reply = through_the_door(tmp_path, saying(frame[:cut], frame[cut:]))

    assert b'"body":"hello"' in reply


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        pytest.param(
            b"GET / HTTP/1.1\r\n\r\n",
            b"AIMX/1 ERR MALFORMED malformed request: expected 'AIMX/1 <VERB>'\n"
            b"Code: MALFORMED\n\n",
            id="another-protocol",
        ),
        pytest.param(
            b"AIMX/1 SEND\nContent-Length: 10\n\nhello",
            b"AIMX/1 ERR MALFORMED malformed request: the request ends within its body\n"
            b"Code: MALFORMED\n\n",
            id="body-cut-short",
        ),
        pytest.param(
            b"AIMX/1 SEND",
            b"AIMX/1 ERR MALFORMED malformed request: the request ends within its head\n"
            b"Code: MALFORMED\n\n",
            id="head-cut-short",
        ),
        pytest.param(
            b"AIMX/1 " + b"x" * 9000 + b"\n\n",
            b"AIMX/1 ERR MALFORMED malformed request: a line is over 8192 bytes\n"
            b"Code: MALFORMED\n\n",
            id="line-too-long",
        ),
        pytest.param(
            b"AIMX/1 SEND\n" + b"a: b\n" * 66 + b"\n",
            b"AIMX/1 ERR MALFORMED malformed request: the head is too large\nCode: MALFORMED\n\n",
            id="too-many-headers",
        ),
        pytest.param(b"", b"", id="not-a-word"),
    ],
)
def test_nonsense_is_refused_and_nothing_else_happens(
    tmp_path: Path, frame: bytes, reply: bytes
) -> None:
    assert through_the_door(tmp_path, saying(frame)) == reply


def test_a_bug_of_ours_tells_the_client_nothing(tmp_path: Path) -> None:
    reply = through_the_door(tmp_path, saying(b"AIMX/1 VERSION\n\n"), break_down)

    assert reply.startswith(b"AIMX/1 ERR IO internal error; the log has it under ")
    assert b"secret" not in reply


def test_one_user_cannot_take_every_connection(tmp_path: Path) -> None:
    async def session() -> tuple[bytes, bytes]:
        door = Door(repeat)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        idle = [
            await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS_PER_UID)
        ]
        while door.inside.total() < MAX_CONNECTIONS_PER_UID:
            await asyncio.sleep(0)
        one_too_many = await saying(b"AIMX/1 VERSION\n\n")(path)
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        while door.inside.total():
            await asyncio.sleep(0)
        afterwards = await saying(b"AIMX/1 VERSION\n\n")(path)
        await door.close()
        return one_too_many, afterwards

    one_too_many, afterwards = asyncio.run(session())

    assert one_too_many.startswith(b"AIMX/1 ERR TEMP too many connections")
    assert afterwards.startswith(b"AIMX/1 OK")


@pytest.mark.parametrize(
    ("administrators", "reply"),
    [
        pytest.param(frozenset({os.geteuid()}), b"AIMX/1 OK", id="administrator"),
        pytest.param(frozenset(), b"AIMX/1 ERR TEMP too many connections", id="anybody-else"),
    ],
)
def test_where_every_place_is_taken_an_administrator_still_gets_in(
    tmp_path: Path, administrators: frozenset[int], reply: bytes
) -> None:
    async def session() -> bytes:
        others = Counter(
            {70_000 + n: MAX_CONNECTIONS_PER_UID for n in range(MAX_CONNECTIONS // 16)}
        )
        door = Door(repeat, inside=others, administrators=administrators)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        replied = await saying(b"AIMX/1 VERSION\n\n")(path)
        await door.close()
        return replied

    assert asyncio.run(session()).startswith(reply)


def test_connections_that_are_refused_do_not_fill_the_log(tmp_path: Path, capsys) -> None:
    async def besieged(door: Door, path: PurePosixPath) -> None:
        idle = [
            await asyncio.open_unix_connection(str(path)) for _ in range(MAX_CONNECTIONS_PER_UID)
        ]
        while door.inside.total() < MAX_CONNECTIONS_PER_UID:
            await asyncio.sleep(0)
        for _ in range(5):
            assert (await saying(b"AIMX/1 VERSION\n\n")(path)).startswith(b"AIMX/1 ERR TEMP")
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        await everybody_is_gone(door)

    async def session() -> None:
        door = Door(repeat)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        for _ in range(2):
            await besieged(door, path)
        await door.close()

    asyncio.run(session())

    assert capsys.readouterr().out.count("socket connection refused") == 2


async def everybody_is_gone(door: Door) -> None:
    while door.inside.total():
        await asyncio.sleep(0.001)


def test_who_is_turned_away_cannot_stay_by_talking_on(tmp_path: Path) -> None:
    def talk_on(path: PurePosixPath) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            with contextlib.suppress(ConnectionError):
                while True:
                    client.send(b"x")
            return client.recv(1000)

    async def session() -> list[bytes]:
        door = Door(repeat, inside=Counter({os.geteuid(): MAX_CONNECTIONS_PER_UID}))
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        replies = await asyncio.gather(*(asyncio.to_thread(talk_on, path) for _ in range(3)))
        await door.close()
        return replies

    replies = asyncio.run(asyncio.wait_for(session(), 20))

    assert {reply[:38] for reply in replies} == {b"AIMX/1 ERR TEMP too many connections, "}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"AIMX/1 SEND\nContent-Length: 10\n\nhello", id="half-a-request"),
        pytest.param(b"AIMX/1 VERSION\n\n", id="all-and-reads-nothing"),
    ],
)
def test_a_client_that_keeps_us_waiting_is_let_go(tmp_path: Path, said: bytes) -> None:
    async def much(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        return b"x" * 10_000_000

    async def session() -> None:
        door = Door(much, patience=0.05)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(said)
            while not door.inside.total():
                await asyncio.sleep(0)
            await everybody_is_gone(door)
        await door.close()

    asyncio.run(asyncio.wait_for(session(), 20))


def test_receiving_and_reading_are_timed_and_not_what_we_do(tmp_path: Path) -> None:
    async def slowly(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        await asyncio.sleep(1.2)
        return frames.ok()

    async def session() -> bytes:
        door = Door(slowly, patience=1.0)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        reply = await saying(b"AIMX/1 VERSION\n\n")(path)
        await door.close()
        return reply

    assert asyncio.run(session()) == b"AIMX/1 OK\n"


def test_one_user_cannot_fill_our_memory(tmp_path: Path) -> None:
    arrived, leave = asyncio.Event(), asyncio.Event()
    frame = b"AIMX/1 SEND\nContent-Length: 6\n\n123456"

    async def hold(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        arrived.set()
        await leave.wait()
        return frames.ok()

    async def session() -> tuple[bytes, bytes, bytes]:
        door = Door(hold, most_held=10)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        first = asyncio.create_task(saying(frame)(path))
        await arrived.wait()
        second = await saying(frame)(path)
        leave.set()
        replies = await first, second, await saying(frame)(path)
        assert not door.held
        await door.close()
        return replies

    first, second, third = asyncio.run(session())

    assert (first, third) == (b"AIMX/1 OK\n", b"AIMX/1 OK\n")
    assert second.startswith(b"AIMX/1 ERR TEMP too much is being sent at a time")


def happening(number: int) -> Event:
    return event("step-finished", step=f"{number}", reason="x" * 1000)


async def tell_much(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
    """As an apply does, from a thread."""

    def work() -> None:
        for number in range(10_000):
            tell(happening(number))

    await asyncio.to_thread(work)
    return frames.ok_json({"told": 10_000})


def test_what_happens_is_told_before_the_reply(tmp_path: Path) -> None:
    async def tell_little(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        await asyncio.to_thread(tell, happening(1))
        tell(happening(2))
        return frames.ok()

    reply = through_the_door(tmp_path, saying(b"AIMX/1 VERSION\n\n"), tell_little)

    assert reply == frames.event(happening(1)) + frames.event(happening(2)) + frames.ok()


def test_it_is_told_while_it_happens(tmp_path: Path) -> None:
    heard = asyncio.Event()

    async def wait(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
        tell(happening(1))
        await heard.wait()
        return frames.ok()

    async def talk(path: PurePosixPath) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"AIMX/1 VERSION\n\n")
        line = await reader.readline()
        heard.set()
        reply = await reader.read()
        writer.close()
        return line + reply

    reply = through_the_door(tmp_path, talk, wait)

    assert reply == frames.event(happening(1)) + frames.ok()


def test_who_reads_nothing_holds_up_nobody_and_is_held_little(tmp_path: Path) -> None:
    async def session() -> bytes:
        told = asyncio.Event()

        async def tell(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
            reply = await tell_much(request, caller, body, tell)
            told.set()
            return reply

        door = Door(tell)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1)
        writer.write(b"AIMX/1 VERSION\n\n")
        await told.wait()
        reply = await reader.read()
        writer.close()
        await door.close()
        return reply

    *events, _, _, _, last = asyncio.run(asyncio.wait_for(session(), 60)).split(b"\n")

    assert json.loads(last) == {"told": 10_000}
    assert sum(map(len, events)) < 4_000_000
    assert all(line.startswith(LINE) for line in events)


def test_who_leaves_meanwhile_holds_up_nobody(tmp_path: Path) -> None:
    async def session() -> None:
        arrived, left, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def tell(request: Request, caller: Caller, body: int, tell: Tell) -> bytes:
            arrived.set()
            await left.wait()
            reply = await tell_much(request, caller, body, tell)
            done.set()
            return reply

        door = Door(tell)
        path = PurePosixPath(tmp_path / "s")
        await door.open(path)
        _, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"AIMX/1 VERSION\n\n")
        await arrived.wait()
        writer.transport.abort()
        left.set()
        await done.wait()
        await everybody_is_gone(door)
        await door.close()

    asyncio.run(asyncio.wait_for(session(), 60))


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))

    assert through_the_door(tmp_path, saying(b"AIMX/1 VERSION\n\n")).startswith(b"AIMX/1 OK")
