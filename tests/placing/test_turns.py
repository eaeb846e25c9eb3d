"""The placer's loop on a disk that takes as long as the test wants."""

import contextlib
import itertools
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from aimx.channel.frames import pack_opening, pack_request, unpack_replies
from aimx.channel.packets import Channel, Kind, close_all, pair
from aimx.channel.placing import Folder, Opening, Outcome, Reply, Request
from aimx.placing import placer, workers
from aimx.placing.control import PLACER, Admit, Ready, Role
from aimx.placing.descriptors import Rule
from aimx.placing.handing import Handing
from aimx.placing.job import Rights
from aimx.placing.lending import Lending
from aimx.placing.placer import Placer

ONE = b"1" * 32


@dataclass
class Turning:
    """A placer in a thread, and both of its ends."""

    ground: object
    disk: object
    leaving: ExitStack
    control: Channel = field(init=False)
    worker: Channel = field(init=False)

    def __post_init__(self) -> None:
        self.control, theirs = pair(Kind.CONTROL)
        ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, args=(theirs, ready))
        self.thread.start()
        ready.wait()
        assert self.heard() == Ready()
        ours, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.send(PLACER.encode(Admit("one", Role.OUTBOUND, os.getuid())), (end.fileno(),))
        end.close()
        self.worker = Channel(ours, Kind.PLACING)
        self.leaving.callback(self.worker.close)

    def _serve(self, control: Channel, ready: threading.Event) -> None:
        ground = self.ground
        ground.begin(self.disk)
        ground.lending = Lending(ground.rows, ground.mailboxes)
        placer = Placer(
            control,
            ground.committer,
            ground.desk,
            ground.rows,
            Handing(ground.rows, ground.mailboxes),
            ground.lending,
            device=os.stat(ground.root).st_dev,
            largest=1 << 20,
            now=lambda: ground.clock,
        )
        ready.set()
        placer.serve()
        control.close()
        ground.leaving.close()

    def heard(self) -> object:
        packet = self.control.receive()
        return packet and PLACER.decode(packet.payload)

    def ask(self, number: int, fingerprint: bytes | None = None) -> None:
        request = Request(
            number=number,
            folder=Folder.SENT,
            domain="a.example",
            name="info",
            uid=os.getuid(),
            base=f"2026-{number}",
            rest=b"rest",
            fingerprint=fingerprint,
        )
        self.worker.send(pack_request(request))

    def open(self, number: int) -> None:
        asked = Opening(number, Folder.SENT, "a.example", "info", os.getuid(), ONE)
        self.worker.send(pack_opening(asked))

    def replies(self, count: int) -> list[tuple[Reply, tuple[bytes, ...]]]:
        """With what was lent."""
        found: list[tuple[Reply, tuple[bytes, ...]]] = []
        while len(found) < count:
            packet = self.worker.receive()
            assert packet is not None
            lent = tuple(os.read(each, 1000) for each in packet.descriptors)
            close_all(packet.descriptors)
            found += ((reply, lent) for reply in unpack_replies(packet.payload))
        return found


@pytest.fixture
def turning(bare, held) -> Iterator[Turning]:
    bare.add("a.example/sent/info")
    with ExitStack() as leaving:
        found = Turning(bare, held(), leaving)
        yield found
        found.disk.let_go()
        found.control.close()
        found.thread.join()


def test_what_was_taken_is_placed_and_answered_when_the_supervisor_goes(bare, turning):
    turning.ask(1)
    turning.disk.begun.wait()

    turning.control.close()
    turning.disk.let_go()

    ((reply, _),) = turning.replies(1)
    turning.thread.join()
    assert reply.outcome is Outcome.PLACED
    assert (bare.root / "a.example/sent/info/2026-1.md").exists()


def test_what_is_asked_for_in_one_batch_with_its_message_is_opened_once_it_is_there(turning):
    turning.ask(1)
    turning.disk.begun.wait()
    turning.ask(2, ONE)
    turning.open(3)

    turning.disk.let_go()

    (_, _), (placed, _), (opened, lent) = turning.replies(3)
    assert (placed.outcome, opened.outcome) == (Outcome.PLACED, Outcome.OPENED)
    assert lent == (b'+++\nid = "2026-2"\nrest',)


def test_who_asks_without_end_keeps_no_message_waiting_for_its_answer(turning):
    many = 130  # Openings at a time are 64.
    turning.ask(1)
    turning.disk.begun.wait()
    for number in range(many):
        turning.open(number)
        if number == many // 4:
            turning.ask(2)

    turning.disk.let_go()

    outcomes = [reply.outcome for reply, _ in turning.replies(many + 2)]
    assert Outcome.PLACED in outcomes[1 : many // 2]


def test_a_batch_has_no_more_than_there_is_room_for(bare, turning, monkeypatch):
    sizes = []
    commit = bare.committer.commit
    monkeypatch.setattr(workers, "_MOST_JOBS", 2)
    monkeypatch.setattr(
        bare.committer, "commit", lambda jobs: (sizes.append(len(jobs)), commit(jobs))
    )
    turning.ask(0)
    turning.disk.begun.wait()
    for number in range(1, 6):
        turning.ask(number)

    turning.disk.let_go()

    assert [reply.number for reply, _ in turning.replies(6)] == [0, 1, 2, 3, 4, 5]
    assert sizes == [1, 2, 2, 1]


def test_what_is_placed_is_confirmed_though_somebody_asks_without_a_pause(
    bare, turning, monkeypatch
):
    now, told = itertools.count(), []
    monkeypatch.setattr(placer, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    save, answer = bare.rows.save, bare.lending.answer
    monkeypatch.setattr(bare.rows, "save", lambda at: (told.append("saved"), save(at)))
    monkeypatch.setattr(
        bare.lending, "answer", lambda *asked: (told.append("opened"), answer(*asked))[1]
    )
    turning.ask(1, ONE)
    turning.disk.begun.wait()
    for number in range(200):  # Openings at a time are 64.
        turning.open(number)

    turning.disk.let_go()
    turning.replies(201)

    assert "opened" in told[told.index("saved") :]


def test_a_worker_that_reads_just_in_time_is_not_waited_for_again_and_again(monkeypatch):
    now, ours, theirs = [0.0], *pair(Kind.PLACING)

    class Late:
        """Reads one reply after nine tenths of a second, if that is waited for."""

        def register(self, *_: int) -> None: ...

        def poll(self, milliseconds: float) -> None:
            now[0] += min(milliseconds / 1000, 0.9)
            if milliseconds >= 900:
                theirs.receive()

    dismissed: list[str] = []
    found = workers.Workers(select.poll(), lambda name, _: dismissed.append(name))
    worker = workers.Worker("late", ours, Rights(frozenset(), Rule(0, 0, 0)))
    found.admit(worker)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(
        workers, "select", SimpleNamespace(poll=Late, POLLOUT=select.POLLOUT, POLLIN=select.POLLIN)
    )
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send_now(bytes(100_000))

    for _ in range(2):
        found.take([])
        found.reply(worker, bytes(100_000))
    assert dismissed == []

    found.reply(worker, bytes(100_000))
    assert (dismissed, now) == (["late"], [pytest.approx(1.9)])
    theirs.close()
