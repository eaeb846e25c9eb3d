"""The queue whole: real hosts on loopback, a real placer, and a clock that a test sets."""

import asyncio
import contextlib
import os
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from random import Random

import pytest
import tomli

from aimx.channel.control import Attempted
from aimx.channel.packets import Channel, Kind, pair
from aimx.hooks.facts import Facts
from aimx.outbound.compose import Composed
from aimx.outbound.deliver import Direct
from aimx.outbound.dialogue import Manners
from aimx.outbound.keys import CallersKey, Standing, UnrecordedError
from aimx.outbound.outcome import Sent
from aimx.outbound.queue import records, service
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.postman import Rules
from aimx.outbound.queue.service import Queue, Surroundings
from aimx.outbound.refusal import Code, NotSent
from aimx.outbound.sign import Signer
from aimx.outbound.submit import Signed
from aimx.placing.client import PlacingClient
from aimx.placing.committer import Committer
from aimx.placing.control import PLACER, Admit, Role
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk
from aimx.placing.handing import Handing
from aimx.placing.lending import Lending
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.placer import Placer
from aimx.placing.rows import Rows
from aimx.snapshot import Hook, Route, Snapshot, SnapshotId
from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger
from aimx.testing.ports import ReservedPort
from aimx.testing.script import DISCONNECT, GARBLED, SILENCE
from aimx.testing.zone import Zone, ZoneResolver

HOOKS = (Hook("tell", "after_send"), Hook("read", "on_receive", fire_on_untrusted=True))
SNAPSHOT = Snapshot(
    id=SnapshotId(1),
    hostname="mail.a.example",
    domains=("a.example",),
    routes={"info@a.example": Route("info@a.example", "a.example", "info", os.getuid())},
    hooks={"info@a.example": HOOKS},
)
TABLE = {
    "c.example": {"MX": "10 mx.c.example"},
    "mx.c.example": {"A": "127.0.0.1"},
    "d.example": {"MX": "10 mx.d.example"},
    "mx.d.example": {"A": "127.0.0.2"},
    "two.example": {"MX": ["10 mx.nobody.example", "20 mx.c.example"]},
    "mx.nobody.example": {"A": "127.0.0.9"},
    "null.example": {"MX": "0 ."},
    "blind.example": {"fails": "SERVFAIL"},
}
TLS = throwaway_tls()
DAY = 86400.0
KEY = CallersKey(1000, "k")
LATER = {"RCPT": repeat("450 4.2.0 Greylisted")}


@dataclass
class House:
    """A data directory with one mailbox, a placer, and a clock."""

    root: Path
    sign: Callable[[bytes], Signed]
    leaving: ExitStack
    now: float = 0.0
    told: list[Attempted] = field(default_factory=list)
    snapshot: Snapshot = SNAPSHOT
    port: int = 0
    timeout: float = 30.0
    max_age: float = 2 * DAY

    def __post_init__(self) -> None:
        for path in (".aimx/placing", ".aimx/out", "a.example/inbox/info", "a.example/sent/info"):
            (self.root / path).mkdir(parents=True, mode=0o755)
        for folder in (self.inbox, self.sent):
            folder.chmod(0o700)
        self.now = self.sign(b"From: info\nTo: b@c.example\n\n").signed_at.timestamp()

    @property
    def inbox(self) -> Path:
        return self.root / "a.example/inbox/info"

    @property
    def sent(self) -> Path:
        return self.root / "a.example/sent/info"

    @property
    def spool(self) -> list[str]:
        return sorted(path.name for path in (self.root / ".aimx/out/spool").iterdir())

    def message(self, *recipients: str, text: str = "hi") -> Signed:
        to = ", ".join(recipients or ("bob@c.example",))
        return replace(
            self.sign(f"From: info\nTo: {to}\nSubject: Hello\n\n{text}\n".encode()),
            signed_at=datetime.fromtimestamp(self.now, UTC),
        )

    def descriptor(self, path: str) -> int:
        opened = os.open(self.root / path, os.O_RDONLY | os.O_DIRECTORY)
        self.leaving.callback(os.close, opened)
        return opened

    def placer(self) -> tuple[Channel, Callable[[], None]]:
        """An end of a placer's channel; and how to end the placer, which runs in a thread."""
        control, theirs = pair(Kind.CONTROL)
        ours, end = pair(Kind.PLACING)
        data, directory = self.descriptor("."), self.descriptor(".aimx/placing")

        def serve() -> None:
            mailboxes, disk = Mailboxes(data), Disk()
            rows = Rows(self.root / ".aimx/placing/placed.db")
            desk = Desk(directory, disk, unnamed=True)
            Placer(
                theirs,
                Committer(mailboxes, desk, rows, lambda: datetime.now(UTC)),
                desk,
                rows,
                Handing(rows, mailboxes),
                Lending(rows, mailboxes),
                device=os.stat(self.root).st_dev,
                largest=1 << 26,
                now=lambda: datetime.now(UTC),
            ).serve()
            rows.close()
            mailboxes.close()
            disk.close()
            theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        control.send(PLACER.encode(Admit("one", Role.OUTBOUND, os.getuid())), (end.fileno(),))
        end.close()

        def stop() -> None:
            control.close()
            thread.join()

        return ours, stop

    @asynccontextmanager
    async def queue(self, *, killed: bool = False) -> AsyncIterator[Queue]:
        """One that serves; `killed`: it does not come to leave."""
        client = PlacingClient(self.descriptor(".aimx/out"))
        channel, stop = self.placer()
        client.connect(channel)
        made = Queue(self.root / ".aimx/out", "run", self.around(client))
        serving = asyncio.create_task(made.serve())
        try:
            async with asyncio.timeout(60):
                yield made
        finally:
            serving.cancel()
            if not killed:
                await made.leave(5)
                await made.close()
            client.close()
            await asyncio.to_thread(stop)

    def around(self, client: PlacingClient) -> Surroundings:
        return Surroundings(
            placements=client,
            snapshot=lambda: self.snapshot,
            rules=lambda: Rules(
                Direct(
                    ZoneResolver(Zone(TABLE)),
                    Manners("mail.a.example", self.port, self.timeout),
                    random=Random(1),
                ),
                self.max_age,
            ),
            tell=self.told.append,
            clock=lambda: self.now,
            random=Random(1),
        )

    async def later(self, queue: Queue, seconds: float) -> None:
        self.now += seconds
        queue.stir()

    # What is there.

    def copies(self, folder: Path | None = None) -> list[dict[str, object]]:
        return [self.fields(path) for path in sorted((folder or self.sent).rglob("*.md"))]

    def fields(self, path: Path) -> dict[str, object]:
        return tomli.loads(path.read_text().split("+++\n")[1])

    @property
    def status(self) -> object:
        (copy,) = self.copies()
        return copy["delivery_status"]

    def found(self, database: str, question: str) -> list[str]:
        """One column of `queue.db` or `placed.db`, as another process sees it."""
        connection = sqlite3.connect(self.root / ".aimx" / database)
        try:
            return [value for (value,) in connection.execute(question)]
        finally:
            connection.close()

    def fired(self) -> list[str]:
        """The statuses that hooks after sending are told, in order."""
        question = "SELECT facts FROM firings WHERE hook = 'tell' ORDER BY number"
        found = self.found("placing/placed.db", question)
        return [Facts.unpack(facts).send_status for facts in found]

    def reasons(self) -> list[str]:
        """What each recipient was told of last."""
        return self.found("out/queue.db", "SELECT told FROM recipients")

    def states(self) -> list[str]:
        return self.found("out/queue.db", "SELECT state FROM recipients")


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def house(
    tmp_path: Path, composed: Callable[..., Composed], signer: Signer, now: datetime
) -> Iterator[House]:
    def sign(content: bytes) -> Signed:
        made = composed(content)
        return Signed(made, signer.sign(made.wire, now), now)

    with ExitStack() as leaving:
        yield House(tmp_path, sign, leaving)


def test_a_message_is_answered_when_it_is_durable_and_then_delivered(house):
    async def run() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            signed = house.message("bob@c.example", "eve@c.example")

            told = await queue.dispatch(signed, None)
            await until(lambda: house.spool == [])

            (received,) = exchanger.received
            assert told == Sent("<made@a.example>", told.queued)
            assert len(told.queued) == 16
            assert received.recipients == ("bob@c.example", "eve@c.example")
            assert received.content == signed.content

    asyncio.run(run())
    (copy,) = house.copies()
    assert copy["delivery_status"] == "delivered"
    assert copy["delivered_at"] == "2026-01-02T03:04:05Z"
    assert "eve@c.example: delivered to mx.c.example (no TLS): 250 2.0.0 Kept" in str(
        copy["delivery_details"]
    )
    assert house.fired() == ["delivered"]
    assert list(house.inbox.iterdir()) == []


def test_while_nothing_was_tried_the_copy_says_that_it_waits(house):
    async def run() -> None:
        async with Exchanger({"CONNECT": [SILENCE]}) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)

            assert house.status == "pending"
            assert len(house.spool) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"RCPT": ["450 4.2.0 Greylisted"]}, id="greylisted"),
        pytest.param({"CONNECT": ["421 4.3.2 Busy"]}, id="too-busy"),
        pytest.param({"CONNECT": [SILENCE]}, id="slow-banner"),
        pytest.param({"MAIL": ["451 4.3.0 Disk"]}, id="4xx"),
        pytest.param({"DATA": [DISCONNECT]}, id="hangs-up-at-data"),
        pytest.param({"STARTTLS": [GARBLED]}, id="tls-that-fails"),
        pytest.param({"END": ["452 4.3.1 Full"]}, id="4xx-after-the-content"),
    ],
)
def test_what_is_deferred_is_tried_again_and_delivered_once(house, script):
    house.timeout = 0.2 if script == {"CONNECT": [SILENCE]} else 30

    async def run() -> None:
        async with Exchanger(script, tls=TLS) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")
            assert exchanger.received == []
            house.timeout = 30

            await house.later(queue, 90)

            await until(lambda: house.spool == [])
            assert len(exchanger.received) == 1

    asyncio.run(run())
    assert house.status == "delivered"
    assert house.fired() == ["deferred", "delivered"]


def test_a_message_whose_time_has_not_come_is_not_tried(house):
    async def run() -> None:
        script = {"RCPT": ["450 4.2.0 Greylisted"]}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")

            await house.later(queue, 30)
            await queue.dispatch(house.message("a@c.example"), None)

            await until(lambda: exchanger.received)
            assert [each.recipients for each in exchanger.received] == [("a@c.example",)]

    asyncio.run(run())


def test_a_refusal_bounces_to_the_senders_own_inbox(house):
    async def run() -> None:
        script = {"RCPT": ["550 5.1.1 No such user", "250 OK"]}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message("bob@c.example", "eve@c.example"), None)
            await until(lambda: house.spool == [])
            assert [each.recipients for each in exchanger.received] == [("eve@c.example",)]

    asyncio.run(run())
    (bounce,) = house.copies(house.inbox)
    (path,) = house.inbox.rglob("*.md")
    assert bounce["envelope_from"] == ""
    assert bounce["auto_submitted"] == "auto-replied"
    assert bounce["in_reply_to"] == "made@a.example"
    assert bounce["trusted"] == "none"
    assert "bob@c.example: mx.c.example: 550 5.1.1 No such user" in path.read_text()
    assert house.status == "failed"
    assert house.fired() == ["failed"]


def test_what_is_tried_for_too_long_bounces(house):
    async def run() -> None:
        script = {"RCPT": repeat("450 4.2.0 Later")}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")

            await house.later(queue, 2 * DAY)

            await until(lambda: house.spool == [])
            assert exchanger.connections == 2

    asyncio.run(run())
    (path,) = house.inbox.rglob("*.md")
    assert "gave up after 2 days" in path.read_text()
    assert house.status == "failed"


@pytest.mark.parametrize(
    "recipient",
    [pytest.param("a@null.example", id="null-mx"), pytest.param("a@no.x", id="nowhere")],
)
def test_a_domain_that_takes_no_mail_bounces_at_once(house, recipient):
    async def run() -> None:
        async with house.queue() as queue:
            await queue.dispatch(house.message(recipient), None)
            await until(lambda: house.spool == [])

    asyncio.run(run())
    assert len(house.copies(house.inbox)) == 1
    assert house.status == "failed"


def test_after_a_broken_first_host_the_second_takes_the_message(house):
    async def run() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message("a@two.example"), None)
            await until(lambda: house.spool == [])
            assert len(exchanger.received) == 1

    asyncio.run(run())
    assert house.status == "delivered"


def test_silence_after_the_content_is_told_as_unknown_and_never_tried_again(house):
    async def run() -> None:
        async with Exchanger({"END": [DISCONNECT]}) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "unknown")

            await house.later(queue, 10 * DAY)
            await queue.dispatch(house.message("a@c.example"), None)

            await until(lambda: len(house.spool) == 1)
            assert [each.recipients for each in exchanger.received] == [("a@c.example",)]

    asyncio.run(run())
    assert "unknown" in house.fired()


def test_after_a_crash_between_content_and_answer_the_outcome_is_unknown(house):
    async def die() -> None:
        async with Exchanger({"END": [SILENCE]}) as exchanger, house.queue(killed=True) as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: "DATA" in exchanger.commands)
            await until(lambda: house.states() == ["leaving"])

    async def come_back() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await until(lambda: house.status == "unknown")
            await house.later(queue, 10 * DAY)
            await queue.dispatch(house.message("a@c.example"), None)
            await until(lambda: exchanger.received)
            assert [each.recipients for each in exchanger.received] == [("a@c.example",)]

    asyncio.run(die())
    asyncio.run(come_back())
    assert house.fired()[0] == "unknown"


def test_after_a_crash_before_any_attempt_everything_is_delivered_once(house):
    async def die() -> None:
        async with house.queue(killed=True) as queue:
            house.port = 9
            for number in range(5):
                await queue.dispatch(house.message(f"{number}@c.example"), None)

    async def come_back() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await house.later(queue, 3600)
            await until(lambda: house.spool == [])
            recipients = sorted(each.recipients for each in exchanger.received)
            assert recipients == [(f"{number}@c.example",) for number in range(5)]

    asyncio.run(die())
    asyncio.run(come_back())
    assert [copy["delivery_status"] for copy in house.copies()] == ["delivered"] * 5


def test_a_broken_place_does_not_delay_the_others(house):
    async def run() -> None:
        with ReservedPort("127.0.0.2", "127.0.0.1") as port:
            house.port = port.number
            silent = {"CONNECT": repeat(SILENCE)}
            async with (
                Exchanger(silent, address="127.0.0.2", port=port.number) as broken,
                Exchanger(port=port.number) as good,
                house.queue() as queue,
            ):
                for number in range(12):
                    await queue.dispatch(house.message(f"{number}@d.example"), None)
                for number in range(12):
                    await queue.dispatch(house.message(f"{number}@c.example"), None)

                await until(lambda: len(good.received) == 12)

                assert 0 < broken.connections <= 4

    asyncio.run(run())


def test_where_nobody_is_reached_one_finds_out_for_all(house):
    async def run() -> None:
        async with house.queue() as queue:
            for number in range(12):
                await queue.dispatch(house.message(f"{number}@blind.example"), None)
            await until(lambda: all("SERVFAIL" in text for text in house.reasons()))

    asyncio.run(run())
    assert len(house.reasons()) == 12


def test_who_is_away_for_a_minute_is_not_left_alone_for_an_hour(house):
    async def run() -> None:
        with ReservedPort("127.0.0.1") as port:
            house.port = port.number
            async with house.queue() as queue:
                for number in range(12):
                    await queue.dispatch(house.message(f"{number}@c.example"), None)
                    await until(lambda: all("refused" in text for text in house.reasons()))
                assert max(house.found("out/queue.db", "SELECT due FROM recipients")) < (
                    house.now + 75
                )

                async with Exchanger(port=port.number) as exchanger:
                    await house.later(queue, 75)
                    await until(lambda: len(exchanger.received) == 12)

    asyncio.run(run())


def test_what_waited_for_a_place_goes_when_anybody_is_reached_there(house):
    async def run() -> None:
        with ReservedPort("127.0.0.1") as port:
            house.port = port.number
            async with house.queue() as queue:
                for number in range(12):
                    await queue.dispatch(house.message(f"{number}@c.example"), None)
                await until(lambda: all("refused" in text for text in house.reasons()))

                async with Exchanger(port=port.number) as exchanger:
                    await queue.dispatch(house.message("another@c.example"), None)
                    await until(lambda: len(exchanger.received) == 13)

    asyncio.run(run())


def test_what_is_too_late_to_be_tried_keeps_nothing_else_from_being_tried(house):
    async def run() -> None:
        with ReservedPort("127.0.0.1") as port:
            house.port = port.number
            async with house.queue() as queue:
                await queue.dispatch(house.message("old@c.example"), None)
                await until(lambda: "refused" in "".join(house.reasons()))

                async with Exchanger(port=port.number) as exchanger:
                    house.now += house.max_age + 60
                    await queue.dispatch(house.message("young@c.example"), None)
                    young = ("young@c.example",)
                    await until(lambda: young in [each.recipients for each in exchanger.received])

    asyncio.run(run())


def test_one_key_sends_once_also_after_a_crash(house):
    async def run(*, killed: bool) -> list[object]:
        async with Exchanger() as exchanger, house.queue(killed=killed) as queue:
            house.port = exchanger.port
            told = [await queue.dispatch(house.message(), KEY) for _ in range(2)]
            await until(lambda: house.spool == [])
            return [*told, len(exchanger.received)]

    first = asyncio.run(run(killed=True))
    second = asyncio.run(run(killed=False))

    sent = first[0]
    assert isinstance(sent, Sent)
    assert sent == Sent("<made@a.example>", sent.queued)
    assert first == [sent, sent, 1]
    assert second == [sent, sent, 0]
    assert len(house.copies()) == 1


def test_a_full_disk_is_told_as_temporary_and_nothing_half_is_there(house):
    async def run() -> tuple[Sent | NotSent, set[str], Sent | NotSent]:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            connection = (await queue.records.opened()).database.connection

            async def limit(pages: str) -> None:
                await queue.records.turns.take(
                    connection.execute, f"PRAGMA max_page_count = {pages}"
                )

            await limit("1")  # Never less than there are.
            told: Sent | NotSent = Sent("")
            for number in range(1000):
                key = CallersKey(1000, f"{number}")
                told = await queue.dispatch(house.message(), key)
                if isinstance(told, NotSent):
                    break
            known = house.found("out/queue.db", "SELECT id || '.letter' FROM messages")
            left = set(house.spool) - set(known)
            await limit("100000")
            return told, left, await queue.dispatch(house.message(), key)

    told, left, again = asyncio.run(run())

    assert told == NotSent(Code.TEMP, "the queue cannot be written; nothing was sent")
    assert left == set()
    assert isinstance(again, Sent)


def test_messages_that_come_at_once_are_all_taken_and_each_delivered_once(house):
    async def run() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            to = [f"{number}@c.example" for number in range(40)]
            told = await asyncio.gather(*(queue.dispatch(house.message(a), None) for a in to))

            await until(lambda: house.spool == [])

            assert {type(each) for each in told} == {Sent}
            assert sorted(each.recipients[0] for each in exchanger.received) == sorted(to)

    asyncio.run(run())
    assert [copy["delivery_status"] for copy in house.copies()] == ["delivered"] * 40


async def damage(house, queue: Queue) -> None:
    """Let `queue.db` be nonsense, and somebody meet that."""
    database = (await queue.records.opened()).database

    def overwrite() -> None:
        if database.connection.in_transaction:
            return  # Of somebody who is written together with it.
        done.append(True)
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.connection.execute("PRAGMA cache_size = 0")
        path = house.root / ".aimx/out/queue.db"
        raw = bytearray(path.read_bytes())
        raw[200:] = b"\xff" * (len(raw) - 200)
        path.write_bytes(raw)

    house.now += 1
    done: list[bool] = []
    # What is written together with it, or right after it, may meet it first: then it is begun anew
    # by now, and whoever reads is answered.
    with contextlib.suppress(QueueError):
        while not done:
            await queue.records.turns.take(overwrite)
    with contextlib.suppress(QueueError):
        await queue.steer(lambda steering: steering.count(None))
    queue.stir()


def test_a_message_that_meets_damage_is_refused_for_now(house):
    async def run() -> NotSent | Sent:
        # Nobody serves it, so that nobody else meets the damage.
        queue = Queue(house.root / ".aimx/out", "run", house.around(PlacingClient(-1)))
        await queue.records.opened()
        await damage(house, queue)
        told = await queue.dispatch(house.message(), CallersKey(1, "new"))
        await queue.close()
        return told

    refused = asyncio.run(run())
    assert refused == NotSent(Code.TEMP, "the queue cannot be written; nothing was sent")
    assert house.spool == []


def test_a_queue_that_is_damaged_while_it_runs_is_begun_anew_and_loses_nothing(house):
    async def run() -> None:
        script = {"END": repeat("450 4.2.0 Not now")}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            told = await queue.dispatch(house.message(), KEY)
            await until(lambda: house.status == "deferred")

            await damage(house, queue)
            await until(lambda: house.status == "unknown")
            again = await queue.dispatch(house.message("b@c.example"), None)

            assert isinstance(again, Sent)
            assert sorted(house.spool) == sorted(
                f"{each.queued}.letter" for each in (told, again) if isinstance(each, Sent)
            )

    asyncio.run(run())
    assert len(list((house.root / ".aimx/out").glob("queue.db.set-aside-*Z"))) == 1


def test_what_no_host_has_seen_is_delivered_once_after_damage(house):
    async def run() -> None:
        script = {"RCPT": ["450 4.2.0 Greylisted"]}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")

            await damage(house, queue)

            await until(lambda: house.spool == [])
            assert [each.recipients for each in exchanger.received] == [("bob@c.example",)]

    asyncio.run(run())
    assert house.status == "delivered"


def test_what_a_person_holds_is_not_sent_after_damage(house):
    async def run() -> None:
        async with Exchanger(LATER) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            told = await queue.dispatch(house.message(), None)
            assert isinstance(told, Sent)
            await until(lambda: house.status == "deferred")
            await queue.steer(lambda steering: steering.hold(told.queued, house.now, None))
            queue.owe(told.queued)

            await damage(house, queue)

            await until(lambda: house.status == "unknown")
            assert not exchanger.received

    asyncio.run(run())


def test_damage_that_anybody_meets_has_the_queue_opened_anew(house):
    async def run() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            first = await queue.records.opened()
            first.database.is_damaged = True  # As who looks for a key may have found.

            queue.stir()
            await until(lambda: queue.records.current not in (first, None))
            await queue.dispatch(house.message(), None)

            await until(lambda: exchanger.received)

    asyncio.run(run())
    assert list((house.root / ".aimx/out").glob("queue.db.set-aside-*Z")) == []


def test_damage_that_no_look_shows_is_met_twice_and_then_set_aside(house, monkeypatch):
    monkeypatch.setattr(service, "_PAUSE", 0.0)

    async def run() -> None:
        script = {"RCPT": ["450 4.2.0 Greylisted"]}
        async with Exchanger(script) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")
            database = (await queue.records.opened()).database

            def spoil() -> None:
                with database.transaction() as connection:
                    connection.execute("UPDATE messages SET queued = 1e300")

            await queue.records.turns.take(spoil)
            house.now += DAY  # It is tried again.
            queue.stir()

            await until(lambda: house.spool == [])
            assert [each.recipients for each in exchanger.received] == [("bob@c.example",)]

    asyncio.run(run())
    assert len(list((house.root / ".aimx/out").glob("queue.db.set-aside-*Z"))) == 1


def test_a_queue_that_cannot_be_opened_at_first_is_opened_for_whoever_comes_later(
    house, monkeypatch
):
    path = house.root / ".aimx/out/queue.db"
    path.mkdir()

    async def run() -> None:
        async with house.queue() as queue:
            house.port = 9
            refused = await queue.dispatch(house.message(), None)
            with pytest.raises(UnrecordedError):
                await queue.keys.begin(KEY, datetime.now(UTC))
            path.rmdir()
            monkeypatch.setattr(records, "_SOONEST", 0.0)  # It is later.

            found = await queue.keys.begin(KEY, datetime.now(UTC))
            taken = await queue.dispatch(house.message(), None)

            assert isinstance(refused, NotSent)
            assert found is Standing.FRESH
            assert isinstance(taken, Sent)

    asyncio.run(run())


class Purse:
    """A share of what a mailbox may send, and how often it was taken and given back."""

    def __init__(self, refusal: NotSent | None = None) -> None:
        self.taken = 0
        self._refusal = refusal

    async def take(self) -> NotSent | None:
        self.taken += self._refusal is None
        return self._refusal

    async def give_back(self) -> None:
        self.taken -= 1


def test_a_message_takes_its_share_once_whoever_hands_it_in_again(house):
    purses = [Purse(), Purse()]

    async def run() -> None:
        async with house.queue() as queue:
            house.port = 9
            for purse in purses:
                await queue.dispatch(replace(house.message(), share=purse), KEY)

    asyncio.run(run())
    assert [purse.taken for purse in purses] == [1, 0]


def test_what_is_over_the_limit_of_its_mailbox_is_not_queued_and_uses_no_key_up(house):
    refusal = NotSent(Code.TEMP, "enough for today")

    async def run() -> list[Sent | NotSent]:
        async with house.queue() as queue:
            house.port = 9
            over = replace(house.message(), share=Purse(refusal))
            return [await queue.dispatch(over, KEY), await queue.dispatch(house.message(), KEY)]

    refused, taken = asyncio.run(run())
    assert refused == refusal
    assert isinstance(taken, Sent)
    assert house.states() == ["queued"] or house.states() == ["deferred"]


def test_what_the_owner_wrote_into_the_copy_stays(house):
    async def run() -> None:
        async with Exchanger({"RCPT": ["450 Later"]}) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")
            (path,) = house.sent.glob("*.md")
            text = path.read_text()
            path.write_text(text.replace("read = false", 'read = true\nlabels = ["done"]', 1))

            await house.later(queue, 90)

            await until(lambda: house.status == "delivered")

    asyncio.run(run())
    (copy,) = house.copies()
    assert (copy["read"], copy["labels"]) == (True, ["done"])


def test_without_a_copy_hooks_are_told_all_the_same(house):
    async def run() -> None:
        async with Exchanger({"RCPT": ["450 Later"]}) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")
            next(house.sent.glob("*.md")).unlink()

            await house.later(queue, 90)

            await until(lambda: house.spool == [])

    asyncio.run(run())
    (told,) = house.told
    assert told.hooks == ("tell",)
    assert Facts.unpack(told.facts).send_status == "delivered"


def test_a_copy_that_its_owner_made_huge_is_read_by_nobody(house):
    async def run() -> None:
        async with Exchanger({"RCPT": ["450 Later"]}) as exchanger, house.queue() as queue:
            house.port = exchanger.port
            await queue.dispatch(house.message(), None)
            await until(lambda: house.status == "deferred")
            os.truncate(next(house.sent.glob("*.md")), 1 << 40)

            await house.later(queue, 90)

            await until(lambda: house.spool == [])

    asyncio.run(run())
    (told,) = house.told
    assert Facts.unpack(told.facts).send_status == "delivered"


def test_a_mailbox_that_is_gone_keeps_no_message_from_its_recipients(house):
    async def run() -> None:
        async with Exchanger() as exchanger, house.queue() as queue:
            house.port = exchanger.port
            house.snapshot = replace(SNAPSHOT, routes={})
            await queue.dispatch(house.message(), None)
            await until(lambda: house.spool == [])
            assert len(exchanger.received) == 1

    asyncio.run(run())
    assert house.copies() == []


def test_a_bounce_fires_hooks_of_the_inbox_that_want_it(house):
    async def run() -> None:
        async with house.queue() as queue:
            await queue.dispatch(house.message("a@null.example"), None)
            await until(lambda: house.spool == [])

    asyncio.run(run())
    hooks = set(house.found("placing/placed.db", "SELECT hook FROM firings"))
    assert hooks == {"tell", "read"}


def test_ids_are_short_enough_to_be_typed(house):
    async def run() -> list[str]:
        async with house.queue() as queue:
            house.port = 9
            await queue.dispatch(house.message(), None)
            return house.spool

    (name,) = asyncio.run(run())
    assert re.fullmatch(r"[0-9a-f]{16}\.letter", name)
