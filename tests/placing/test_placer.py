"""The real placer process, asked by real channels."""

import asyncio
import contextlib
import fcntl
import os
import re
import resource
import select
import signal
import socket
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from aimx.channel.frames import pack_opening, pack_request, unpack_replies
from aimx.channel.packets import VERSION, Channel, Kind, close_all, pair
from aimx.channel.placing import Folder, Opening, Outcome, Reply, Request
from aimx.placing.client import Placed, Placement, PlacingClient
from aimx.placing.control import PLACER, Admit, Dismissed, Ready, Role
from aimx.processes.start import start

BASE = "2026-01-02-030405-hello"
END = b"\nthe end\n"


class Running:
    """A placer process and the supervisor's side of it."""

    def __init__(self, root: Path) -> None:
        self.control, theirs = pair(Kind.CONTROL)
        data = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.process: Popen[bytes] = start(
            "placer", {"control": theirs.fileno(), "data": data}, None
        )
        theirs.close()
        os.close(data)
        self._admitted: list[Channel] = []

    def heard(self) -> object:
        packet = self.control.receive()
        return packet and PLACER.decode(packet.payload)

    def admit(
        self, role: Role = Role.INBOUND, uid: int | None = None, name: str = "one", room: int = 0
    ) -> Channel:
        """A worker's end of a new channel, with little room for replies if so wanted.

        Whoever does not close it before leaves that to the fixture.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if room:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        uid = os.getuid() if uid is None else uid
        self.control.send(PLACER.encode(Admit(name, role, uid)), (theirs.fileno(),))
        theirs.close()
        channel = Channel(ours, Kind.PLACING)
        self._admitted.append(channel)
        return channel

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.end()

    def end(self) -> int:
        """What the supervisor's death looks like to it."""
        self.control.close()
        return self.process.wait()

    def leave(self) -> None:
        self.kill()
        for channel in self._admitted:
            channel.close()


@pytest.fixture
def begin(bare) -> Iterator[Callable[[], Running]]:
    """Starts placers; ends them afterwards, however the test ended."""
    with contextlib.ExitStack() as leaving:

        def one() -> Running:
            running = Running(bare.root)
            leaving.callback(running.leave)
            return running

        yield one


@pytest.fixture
def placer(begin) -> Running:
    running = begin()
    assert running.heard() == Ready()
    return running


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


def opened(process: Popen[bytes]) -> set[str]:
    """What the process has open."""
    found = set()
    for each in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(each))
    return found


def request(number: int = 1, **changes: object) -> Request:
    fields: dict[str, object] = {
        "number": number,
        "folder": Folder.INBOX,
        "domain": "a.example",
        "name": "info",
        "uid": os.getuid(),
        "base": BASE,
        "rest": b"rest" + END,
    }
    return Request(**fields | changes)  # type: ignore[arg-type]


def replies(channel: Channel, count: int) -> list[Reply]:
    found: list[Reply] = []
    while len(found) < count:
        packet = channel.receive()
        assert packet is not None
        found += unpack_replies(packet.payload)
    return found


def test_a_placer_whose_supervisor_dies_while_it_begins_leaves_quietly(bare, begin, capfd):
    holder = os.open(bare.placing, os.O_RDONLY | os.O_DIRECTORY)
    lock = os.open("lock", os.O_RDWR | os.O_CREAT, dir_fd=holder)
    fcntl.flock(lock, fcntl.LOCK_EX)
    running = begin()
    until(lambda: "waiting for the last one to leave" in capfd.readouterr().err)

    running.control.close()
    os.close(lock)

    assert running.process.wait() == 0
    assert "Traceback" not in capfd.readouterr().err
    os.close(holder)


def test_what_waits_is_placed_and_answered(bare, placer):
    channel = placer.admit()
    for number in range(100):
        channel.send(pack_request(request(number)))

    answers = replies(channel, 100)

    assert [(reply.number, reply.outcome) for reply in answers] == [
        (number, Outcome.PLACED) for number in range(100)
    ]
    assert len(list(bare.inbox.iterdir())) == 100


@pytest.mark.parametrize(
    ("role", "folder", "outcome"),
    [
        (Role.INBOUND, Folder.INBOX, Outcome.PLACED),
        (Role.INBOUND, Folder.SENT, Outcome.FAILED),
        (Role.OUTBOUND, Folder.SENT, Outcome.PLACED),
        (Role.OUTBOUND, Folder.INBOX, Outcome.PLACED),
    ],
)
def test_a_role_places_only_where_it_may(bare, placer, role, folder, outcome):
    bare.add("a.example/sent/info")
    channel = placer.admit(role)
    channel.send(pack_request(request(folder=folder)))

    assert [reply.outcome for reply in replies(channel, 1)] == [outcome]


@pytest.mark.parametrize(
    ("role", "outcome"), [(Role.OUTBOUND, Outcome.OPENED), (Role.INBOUND, Outcome.FAILED)]
)
def test_only_outbound_gets_back_what_it_sent(bare, placer, role, outcome):
    sent = bare.add("a.example/sent/info")
    fingerprint = b"1" * 32
    channel = placer.admit(Role.OUTBOUND)
    channel.send(pack_request(request(folder=Folder.SENT, fingerprint=fingerprint)))
    replies(channel, 1)
    asking = placer.admit(role, name="other")

    asking.send(pack_opening(Opening(2, Folder.SENT, "a.example", "info", os.getuid(), b"1" * 32)))
    packet = asking.receive()

    (reply,) = unpack_replies(packet.payload)
    contents = [os.read(descriptor, 1000) for descriptor in packet.descriptors]
    close_all(packet.descriptors)
    assert reply.outcome is outcome
    expected = [(sent / f"{BASE}.md").read_bytes()] if outcome is Outcome.OPENED else []
    assert contents == expected


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\1\2\0\0\0\1x", id="no-request"),
        pytest.param(b"\1\1\0\0\0\2{}", id="of-another-kind"),
        pytest.param(b"x", id="no-packet"),
    ],
)
def test_a_worker_that_breaks_the_rules_is_dismissed_and_the_others_go_on(bare, placer, packet):
    hostile, good = placer.admit(name="hostile"), placer.admit(name="good")
    os.write(hostile.fileno(), packet)

    told = placer.heard()
    good.send(pack_request(request()))

    assert isinstance(told, Dismissed)
    assert told.worker == "hostile"
    assert hostile.receive() is None
    assert [reply.outcome for reply in replies(good, 1)] == [Outcome.PLACED]


def test_a_worker_that_does_not_read_its_replies_is_dismissed(bare, placer):
    channel = placer.admit(room=40_000)
    with contextlib.suppress(ConnectionError):
        while True:
            channel.send(pack_request(request(name="nobody")))

    assert placer.heard() == Dismissed("one", "it does not read its replies")


def test_a_worker_that_does_not_take_what_it_is_lent_is_dismissed(bare, placer):
    (bare.root / "a.example/sent/info").mkdir(parents=True, mode=0o700)
    channel = placer.admit(Role.OUTBOUND)
    place = {"folder": Folder.SENT, "fingerprint": b"1" * 32}
    channel.send(pack_request(request(**place)))
    assert [reply.outcome for reply in replies(channel, 1)] == [Outcome.PLACED]
    # The kernel lets a process have so many descriptors open, and as many on their way.
    resource.prlimit(placer.process.pid, resource.RLIMIT_NOFILE, (40, 40))

    opening = pack_opening(
        Opening(2, Folder.SENT, "a.example", "info", os.getuid(), place["fingerprint"])
    )
    with contextlib.suppress(ConnectionError):
        for _ in range(60):
            channel.send(opening)

    assert placer.heard() == Dismissed("one", "it does not read its replies")


def test_a_worker_that_dies_loses_nothing_that_it_had_asked_for(bare, placer):
    channel = placer.admit()
    for number in range(50):
        channel.send(pack_request(request(number)))
    channel.close()
    other = placer.admit(name="other")
    other.send(pack_request(request(1, base="2026-other")))

    replies(other, 1)

    until(lambda: len(list(bare.inbox.iterdir())) == 51)


def test_a_worker_that_hears_no_replies_has_what_it_asks_placed(bare, placer):
    channel = placer.admit()
    with socket.socket(fileno=os.dup(channel.fileno())) as end:
        end.shutdown(socket.SHUT_RD)

    for number in range(3):
        channel.send(pack_request(request(number)))
        until(lambda placed=number + 1: len(list(bare.inbox.iterdir())) == placed)


def test_the_placer_leaves_with_its_supervisor_after_its_batch(bare, placer):
    channel = placer.admit()
    for number in range(50):
        channel.send(pack_request(request(number, fingerprint=b"%032d" % number)))
    answered = replies(channel, 1)

    assert placer.end() == 0
    while packet := channel.receive():
        answered += unpack_replies(packet.payload)

    assert len(list(bare.inbox.iterdir())) >= len(answered)
    bare.begin()
    assert bare.rows.unconfirmed() == []


def test_what_is_placed_is_confirmed_within_seconds_though_nothing_follows(bare, placer):
    channel = placer.admit()
    channel.send(pack_request(request(fingerprint=b"1" * 32)))
    replies(channel, 1)

    with contextlib.closing(bare.open_rows()) as observer:
        until(lambda: observer.unconfirmed() == [])


def test_signals_for_the_whole_group_do_not_end_the_placer(bare, placer):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGIO):
        placer.process.send_signal(number)
    channel = placer.admit()
    channel.send(pack_request(request()))

    assert [reply.outcome for reply in replies(channel, 1)] == [Outcome.PLACED]


def test_the_lock_is_held_for_life(bare, placer):
    with (bare.placing / "lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        placer.end()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_successor_waits_for_the_lock(bare, begin):
    with (bare.placing / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        placer = begin()
        left = bare.placing / "bundle-of-the-one-before"
        left.mkdir()
        waits = re.compile(r"flock|locks_lock_inode_wait")
        for _ in range(200):
            if waits.search(Path(f"/proc/{placer.process.pid}/wchan").read_text()):
                break
            if not select.select([placer.control], [], [], 0.02)[0]:
                continue
        assert left.exists()
        fcntl.flock(lock, fcntl.LOCK_UN)

    assert placer.heard() == Ready()
    assert not left.exists()


def test_a_placer_that_cannot_record_what_it_settled_says_what_to_do(bare, begin, capfd):
    bare.begin()
    bare.place(bare.job(fingerprint=b"1" * 32))
    with contextlib.closing(sqlite3.connect(bare.placing / "placed.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON placed BEGIN SELECT RAISE(ABORT, 'full'); END"
        )

    code = begin().process.wait()

    said = capfd.readouterr()
    assert code == os.EX_CONFIG
    assert "Make room" in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_without_its_directory_the_placer_says_what_to_do(bare, begin, capfd):
    bare.placing.rmdir()
    placer = begin()

    assert placer.process.wait() == os.EX_CONFIG
    assert "`aimx apply` makes it" in capfd.readouterr().err


def capabilities(process: Popen[bytes]) -> dict[str, int]:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return {name: int(value, 16) for name, value in re.findall(r"Cap(\w+):\s+(\w+)", status)}


@pytest.mark.root
def test_of_root_the_placer_keeps_four_capabilities(bare, account, placer):
    if os.getuid() != 0:
        pytest.skip("needs root")
    four = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 28

    held = capabilities(placer.process)

    assert {name: held[name] & ~four for name in held} == dict.fromkeys(held, 0)
    assert (held["Prm"], held["Eff"]) == (four, four)


@pytest.mark.root
def test_with_four_capabilities_every_step_works_for_another_user(bare, account, placer):
    bare.inbox.chmod(0o700)
    os.chown(bare.inbox, account.uid, account.gid)
    spool = bare.root / ".aimx/spool"
    os.chown(spool, account.uid, account.gid)
    channel = placer.admit(uid=account.uid)
    writing = os.open(spool, os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.fchown(writing, account.uid, account.gid)
    passed = os.open(f"/proc/self/fd/{writing}", os.O_RDONLY)
    os.write(writing, b"attached")
    os.close(writing)

    channel.send(
        pack_request(request(1, uid=account.uid, rest=None, attachments=("a.txt",))),
        (passed, passed),
    )
    channel.send(pack_request(request(2, uid=account.uid)))

    assert [reply.outcome for reply in replies(channel, 2)] == [Outcome.PLACED] * 2
    placed = list(bare.inbox.rglob("*"))
    assert len(placed) == 4
    assert {path.stat().st_uid for path in placed} == {account.uid}
    os.close(passed)


def message(number: int, bulk: int) -> Placement:
    large = bulk * (b"%08d" % number)
    return Placement(
        domain="a.example",
        folder="inbox",
        name="info",
        uid=os.getuid(),
        base=f"{BASE}-{number % 7}",
        rest=b"%d\n" % number + large + END,
        attachments=(Attached("a.txt", b"%d" % number + END),) if number % 5 == 0 else (),
        fingerprint=b"%032d" % number,
    )


class Attached:
    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.content = content


async def place_until_killed(
    client: PlacingClient, running: Running, todo: list[int], lives: int
) -> dict[int, str]:
    """Place what is to do, twenty at a time, and kill the placer after so many answers."""
    kept: dict[int, str] = {}
    waiting = list(todo)

    async def ask() -> None:
        while waiting and running.process.returncode is None:
            number = waiting.pop()
            told = await client.place(message(number, bulk=number % 3 * 9000))
            if isinstance(told, Placed):
                kept[number] = told.stem
                if len(kept) == lives:
                    running.process.kill()
                    running.process.wait()

    await asyncio.gather(*(ask() for _ in range(20)))
    return kept


def test_a_placer_that_is_killed_keeps_each_message_once_and_nothing_half(bare, begin):
    rounds = int(os.environ.get("AIMX_KILLS", "4"))
    spool = os.open(bare.root / ".aimx/spool", os.O_RDONLY)
    todo, kept = list(range(rounds * 60)), {}

    async def scenario() -> None:
        client = PlacingClient(spool)
        for number in range(rounds + 1):
            running = begin()
            assert await asyncio.to_thread(running.heard) == Ready()
            assert set(bare.left_over) <= {"lock"}
            client.connect(running.admit())
            lives = 3 + number * 17 % 40 if number < rounds else len(todo) + 1
            kept.update(await place_until_killed(client, running, todo, lives))
            todo[:] = [one for one in todo if one not in kept]
            await asyncio.to_thread(running.kill)
        client.close()

    asyncio.run(scenario())
    os.close(spool)

    found: dict[int, list[str]] = {}
    for path in bare.inbox.iterdir():
        for file in path.iterdir() if path.is_dir() else (path,):
            content = file.read_bytes()
            assert content.endswith(END)
            if file.suffix == ".md":
                first, given, number, *_ = content.split(b"\n", 3)
                assert (first, given) == (
                    b"+++",
                    f'id = "{path.name.removesuffix(".md")}"'.encode(),
                )
                found.setdefault(int(number), []).append(path.name.removesuffix(".md"))
    assert found == {number: [stem] for number, stem in kept.items()}
    assert sorted(kept) == list(range(rounds * 60))


def packet(payload: bytes) -> bytes:
    return struct.pack("!BBI", VERSION, Kind.PLACING, len(payload)) + payload


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("before", "with_it", "reason"),
    [
        pytest.param(
            [], packet(pack_request(request(rest=None))), "it passed something that is no file"
        ),
        pytest.param([], b"short", "a packet of 5 octets has no header"),
        pytest.param([packet(b"cut")], packet(b"cut"), "a placing frame is cut short"),
    ],
    ids=["taken", "malformed", "not-taken"],
)
def test_nobody_stalls_the_placer_with_what_takes_long_to_close(
    placer, lingering, before, with_it, reason
):
    hostile, honest = placer.admit(name="hostile"), placer.admit(name="honest")

    passed = lingering
    placer.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, placer.process.pid, os.WSTOPPED)
    with socket.socket(fileno=os.dup(hostile.fileno())) as raw:
        for each in before:
            raw.send(each)
        socket.send_fds(raw, [with_it], [passed.fileno()])
    name = os.readlink(f"/proc/self/fd/{passed.fileno()}")
    passed.close()  # Now the placer is the last who has it.
    placer.process.send_signal(signal.SIGCONT)
    assert placer.heard() == Dismissed("hostile", reason)
    honest.send(pack_request(request()))
    told = honest.receive()

    assert told is not None
    assert [reply.outcome for reply in unpack_replies(told.payload)] == [Outcome.PLACED]
    if os.geteuid() == 0:  # Nobody else sees what a process has open that hardened itself.
        until(lambda: name not in opened(placer.process))
