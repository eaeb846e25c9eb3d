import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimx.outbound.compose import HandedIn
from aimx.outbound.delivery import Outgoing
from aimx.outbound.directly import Directly, Mailed
from aimx.outbound.keys import CallersKey
from aimx.outbound.limits import Limits
from aimx.outbound.outcome import Attempt, Deferred, Delivered, Failed, Outcome, Sent
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.keyring import Keyring
from aimx.outbound.queue.ledger import Ledger
from aimx.outbound.refusal import Code, NotSent
from aimx.outbound.sign import Signer
from aimx.outbound.spent import DAY, KNOWN
from aimx.outbound.submit import Sending
from aimx.outbound.tally import Tally
from aimx.snapshot import Allowance, Route, Snapshot, SnapshotId

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
INFO = "info@a.example"
FREELY = 1000


@pytest.fixture
def tally(tmp_path: Path) -> Iterator[Tally]:
    made = Tally(tmp_path)
    yield made
    made.close()


def house(sends: int = FREELY, new: int = FREELY, **allowances: Allowance) -> Snapshot:
    return Snapshot(
        id=SnapshotId(1),
        hostname="mail.a.example",
        domains=("a.example",),
        routes={
            address: Route(mailbox, "a.example", mailbox.partition("@")[0], 1000)
            for address, mailbox in {
                INFO: INFO,
                "ops@a.example": "ops@a.example",
                "alias@a.example": INFO,
            }.items()
        },
        allowance=Allowance(sends, new),
        allowances={f"{name}@a.example": own for name, own in allowances.items()},
    )


def ask(
    tally: Tally,
    snapshot: Snapshot,
    *recipients: str,
    at: datetime = NOON,
    author: str = INFO,
) -> NotSent | None:
    """Take the share of one message to these."""
    share = Limits(tally, snapshot).share(author, recipients or ("b@b.example",), at)
    return asyncio.run(share.take())


def hours(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def test_a_mailbox_sends_so_many_messages_within_24_hours_and_is_told_when_it_may_again(
    tally: Tally,
) -> None:
    snapshot = house(sends=2)

    told = [ask(tally, snapshot, at=hours(number)) for number in (0, 5, 6)]

    assert told == [
        None,
        None,
        NotSent(
            Code.TEMP,
            "limits.sends_per_day = 2: info@a.example has sent 2 within 24 hours; it may be sent"
            " from 2026-01-03T12:00:00Z on",
        ),
    ]
    assert ask(tally, snapshot, at=hours(24) - timedelta(microseconds=1)) is not None
    assert ask(tally, snapshot, at=hours(24)) is None
    assert ask(tally, snapshot, at=hours(28)) is not None
    assert ask(tally, snapshot, at=hours(29)) is None


class Passing:
    """Seconds on a clock that nobody sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_sent_while_the_clock_was_ahead_counts_for_a_day_once_that_is_sure(
    tmp_path: Path,
) -> None:
    snapshot, passed = house(sends=1), Passing()
    tally = Tally(tmp_path, passed)

    told = []
    for number, passed.now in ((9000, 0), (1, 5), (2, 3606), (25.5, 88200), (26, 90000)):
        told.append(ask(tally, snapshot, at=hours(number)))
    tally.close()

    def refused(until: str) -> NotSent:
        text = "limits.sends_per_day = 1: info@a.example has sent 1 within 24 hours"
        return NotSent(Code.TEMP, f"{text}; it may be sent from {until} on")

    assert told == [
        None,
        refused("2027-01-13T12:00:00Z"),
        refused("2026-01-03T14:00:00Z"),
        refused("2026-01-03T14:00:00Z"),
        None,
    ]


def test_whom_it_wrote_to_while_the_clock_was_ahead_is_new_for_a_day(tmp_path: Path) -> None:
    snapshot, passed = house(new=1), Passing()
    tally = Tally(tmp_path, passed)

    told = []
    for number, passed.now in ((9000, 0), (1, 5), (2, 3606), (26, 90000)):
        told.append(ask(tally, snapshot, f"{passed.now}@b.example", at=hours(number)))
    tally.close()

    assert [each is None for each in told] == [True, False, False, True]


def test_a_clock_that_is_behind_for_a_moment_lifts_no_limit(tally: Tally) -> None:
    snapshot = house(sends=1)

    told = [ask(tally, snapshot, at=hours(number)) for number in (10, -9000, 1, 10.1, 25.5, 34)]

    assert [each is None for each in told] == [True, False, False, False, False, True]


def test_a_message_counts_once_however_many_get_it(tally: Tally) -> None:
    snapshot = house(sends=1)
    many = [f"{number}@b.example" for number in range(90)]

    assert ask(tally, snapshot, *many) is None
    assert ask(tally, snapshot, "0@b.example") is not None


def test_what_a_mailbox_has_used_up_it_keeps_when_it_is_moved(tally: Tally) -> None:
    before = replace(house(sends=2), routes={})
    for recipient in ("b@b.example", "c@c.example"):
        assert ask(tally, before, recipient, author="old@a.example") is None
    moved = replace(house(sends=2), former={INFO: "old@a.example"})
    strict = replace(house(new=0), former={INFO: "old@a.example"})

    refused = ask(tally, moved)

    assert refused is not None
    assert "has sent 2 within 24 hours" in refused.reason
    assert ask(tally, strict, "c@c.example", at=NOON + DAY) is None  # It has written to them.
    assert ask(tally, before, author="old@a.example") is None  # Whoever has that name begins anew.


def test_a_recipient_is_new_until_the_mailbox_has_written_to_it(tally: Tally) -> None:
    snapshot = house(new=2)
    assert ask(tally, snapshot, "b@b.example", "B@b.example", "c@b.example") is None

    told = ask(tally, snapshot, "b@b.example", "d@b.example", at=hours(1))

    assert told == NotSent(
        Code.TEMP,
        "limits.new_recipients_per_day = 2: info@a.example has written to 2 for the first time"
        " within 24 hours, and this message has 1 more; it may be sent from"
        " 2026-01-03T12:00:00Z on",
    )
    assert ask(tally, snapshot, "C@B.example", at=hours(1)) is None
    assert ask(tally, snapshot, "d@b.example", at=hours(24)) is None


def test_whom_a_mailbox_has_written_to_stays_known_beyond_the_day(tally: Tally) -> None:
    snapshot = house(new=1)
    assert ask(tally, snapshot, "b@b.example") is None

    later = NOON + KNOWN - DAY
    assert ask(tally, snapshot, "c@b.example", at=later) is None
    assert ask(tally, snapshot, "b@b.example", at=later) is None
    assert ask(tally, snapshot, "d@b.example", at=later) is not None


def test_whom_a_mailbox_has_not_written_to_for_a_year_is_forgotten_at_a_start(
    tmp_path: Path,
) -> None:
    snapshot, year = house(new=1), NOON + KNOWN + timedelta(seconds=1)
    first, second = Tally(tmp_path), Tally(tmp_path)
    assert ask(first, snapshot, "b@b.example") is None
    assert ask(first, snapshot, "c@b.example", at=hours(24)) is None

    assert ask(second, snapshot, "x@b.example", "b@b.example", at=year) is not None
    assert ask(second, snapshot, "x@b.example", "c@b.example", at=year) is None
    for each in (first, second):
        each.close()


def test_a_limit_frees_as_much_as_a_message_needs_before_it_may_be_sent(tally: Tally) -> None:
    snapshot = house(new=3)
    for number in range(3):
        assert ask(tally, snapshot, f"{number}@b.example", at=hours(number)) is None

    told = ask(tally, snapshot, "x@b.example", "y@b.example", at=hours(4))

    assert told is not None
    assert told.reason.endswith("it may be sent from 2026-01-03T13:00:00Z on")
    assert ask(tally, snapshot, "x@b.example", "y@b.example", at=hours(25)) is None


def test_the_limit_that_holds_for_longer_is_told(tally: Tally) -> None:
    snapshot = house(sends=2, new=1)
    assert ask(tally, snapshot, "b@b.example") is None
    assert ask(tally, snapshot, "b@b.example", at=hours(3)) is None

    # Of two sends one is old at noon; of one new recipient as well, and both are told by noon.
    later = ask(tally, house(sends=1, new=1), "c@b.example", at=hours(4))

    assert later is not None
    assert later.reason.startswith("limits.sends_per_day = 1: ")
    assert later.reason.endswith("2026-01-03T15:00:00Z on")


@pytest.mark.parametrize(
    ("snapshot", "recipients", "text"),
    [
        pytest.param(
            house(sends=0),
            ["b@b.example"],
            "limits.sends_per_day = 0: info@a.example has sent 0 within 24 hours",
            id="nothing-at-all",
        ),
        pytest.param(
            house(new=1),
            ["b@b.example", "c@b.example"],
            "limits.new_recipients_per_day = 1: info@a.example has written to 0 for the first time"
            " within 24 hours, and this message has 2 more",
            id="more-than-a-day-has",
        ),
    ],
)
def test_what_never_fits_is_not_called_temporary(
    tally: Tally, snapshot: Snapshot, recipients: Sequence[str], text: str
) -> None:
    assert ask(tally, snapshot, *recipients) == NotSent(Code.EACCES, text)


def test_what_was_refused_does_not_count(tally: Tally) -> None:
    snapshot = house(sends=2, new=1)
    assert ask(tally, snapshot, "b@b.example") is None
    assert ask(tally, snapshot, "c@b.example", "d@b.example", at=hours(1)) is not None

    assert ask(tally, snapshot, "b@b.example", at=hours(1)) is None
    assert ask(tally, snapshot, "c@b.example", at=hours(24)) is None


def test_each_mailbox_has_its_own_limits_and_an_alias_those_of_its_mailbox(tally: Tally) -> None:
    snapshot = house(sends=1, ops=Allowance(sends_per_day=2))
    assert ask(tally, snapshot) is None

    told = [
        ask(tally, snapshot, author=author) is None
        for author in ("alias@a.example", "ops@a.example", "ops@a.example", "ops@a.example")
    ]

    assert told == [False, True, True, False]


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    snapshot = house(sends=1)
    first = Tally(tmp_path)
    assert ask(first, snapshot) is None
    first.close()

    assert ask(Tally(tmp_path), snapshot, at=hours(23)) is not None
    assert ask(Tally(tmp_path), snapshot, at=hours(24)) is None


def test_what_is_given_back_counts_for_nobody_but_whoever_wrote_meanwhile(tally: Tally) -> None:
    snapshot = house(new=1)
    share = Limits(tally, snapshot).share(INFO, ("b@b.example",), NOON)
    assert asyncio.run(share.take()) is None
    # To a recipient that is known only by the message that will be given back.
    assert ask(tally, snapshot, "b@b.example", at=hours(1)) is None

    asyncio.run(share.give_back())
    asyncio.run(share.give_back())

    assert ask(tally, snapshot, "c@b.example", at=hours(24.5)) is not None
    assert ask(tally, snapshot, "c@b.example", at=hours(25)) is None


def test_of_many_that_come_at_once_as_many_are_sent_as_fit(tmp_path: Path) -> None:
    tally, snapshot = Tally(tmp_path), house(sends=7)
    told: list[NotSent | None] = []
    everybody = threading.Barrier(20)

    def send() -> None:
        everybody.wait()
        told.append(ask(tally, snapshot))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told.count(None) == 7
    assert len(told) == 20
    tally.close()


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.sets(st.sampled_from("abcdef"), min_size=1)), max_size=25
    )
)
def test_no_24_hours_ever_hold_more_than_the_limits(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, set[str]]]
) -> None:
    tally, snapshot = Tally(tmp_path_factory.mktemp("tally")), house(sends=3, new=2)
    sent: list[tuple[datetime, set[str]]] = []

    for hour, names in sorted(messages, key=lambda message: message[0]):
        at, recipients = hours(hour), {f"{name}@b.example" for name in names}
        if ask(tally, snapshot, *recipients, at=at) is None:
            sent.append((at, recipients))

    for end, _ in sent:
        within = [(at, names) for at, names in sent if end - DAY < at <= end]
        before = set().union(*(names for at, names in sent if at <= end - DAY))
        assert len(within) <= 3
        assert len(set().union(*(names for _, names in within)) - before) <= 2
    tally.close()


def test_a_database_that_is_damaged_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "tally.db").write_bytes(b"no database at all" * 100)
    tally = Tally(tmp_path)

    assert ask(tally, house(sends=1)) is None
    assert ask(tally, house(sends=1)) is not None
    assert [path.read_bytes()[:2] for path in tmp_path.glob("tally.db.set-aside-*")] == [b"no"]
    tally.close()


def test_a_database_whose_damage_is_found_late_is_set_aside_then(tmp_path: Path) -> None:
    tally, snapshot = Tally(tmp_path), house()
    for number in range(30):
        many = [f"{number}-{each}@b.example" for each in range(20)]
        assert ask(tally, snapshot, *many) is None
    tally.close()
    tally = Tally(tmp_path)
    content = bytearray((tmp_path / "tally.db").read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    (tmp_path / "tally.db").write_bytes(content)

    told = [ask(tally, snapshot), ask(tally, snapshot)]

    assert told == [
        NotSent(Code.TEMP, "what was sent today cannot be counted; nothing was sent"),
        None,
    ]
    assert len(list(tmp_path.glob("tally.db.set-aside-*"))) == 1
    tally.close()


def test_where_nobody_can_count_nothing_is_sent_until_it_can_be_again(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "away")

    told = ask(tally, house())
    (tmp_path / "away").mkdir()

    assert told == NotSent(Code.TEMP, "what was sent today cannot be counted; nothing was sent")
    assert ask(tally, house()) is None
    tally.close()


@dataclass
class Rehearsal:
    """Delivers with these outcomes in turn."""

    outcomes: list[Outcome]
    sent: list[Outgoing] = field(default_factory=list)

    def destination(self, recipient: str) -> str:
        return recipient.rpartition("@")[2]

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        self.sent.append(outgoing)
        return Attempt(dict.fromkeys(outgoing.recipients, self.outcomes.pop(0)))

    async def keep(self, mailed: Mailed) -> str:
        return "stem"


Send = Callable[..., Sent | NotSent]


@pytest.fixture
def send(tally: Tally, signer: Signer, tmp_path: Path) -> Iterator[Send]:
    """Sends from a mailbox that may send two messages, under a key if one is given."""
    database = Database(tmp_path, lambda connection: None)
    ledger = Ledger(database, run="one")

    async def recorded(write):
        return write(ledger)

    def sends(*outcomes: Outcome, key: str = "", author: str = "info") -> list[Sent | NotSent]:
        rehearsal = Rehearsal(list(outcomes))
        sending = Sending(
            snapshot=house(sends=2),
            signers={"a.example": [signer]},
            dispatch=Directly(rehearsal, rehearsal.keep, Keyring(recorded)).dispatch,
            clock=lambda: NOON,
            message_id=lambda domain: f"made@{domain}",
            limits=Limits(tally, house(sends=2)),
        )
        content = f"From: {author}\r\nTo: b@b.example\r\n\r\nhi\r\n".encode()
        named = CallersKey(1000, key) if key else None

        async def one() -> Sent | NotSent:
            return await sending.send(HandedIn(content), f"{author}@a.example", named)

        return [asyncio.run(one()) for _ in outcomes]

    yield sends
    database.close()


OK = Delivered("mx.b.example")


def codes(told: list[Sent | NotSent]) -> list[str]:
    return ["sent" if isinstance(each, Sent) else each.code.value for each in told]


def test_a_message_that_nobody_has_and_everybody_may_get_later_does_not_count(send: Send) -> None:
    nobody = Deferred("no route", unreached=True)
    assert codes(send(*[nobody] * 5, Deferred("450"), Deferred("450"), OK, OK, OK)) == [
        *["TEMP"] * 7,
        "sent",
        "sent",
        "TEMP",
    ]


def test_what_hosts_put_off_counts_where_somebody_knocks_all_day(send: Send) -> None:
    put_off = Deferred("450")

    # Two may be sent in a day, and two that nobody got are forgiven.
    assert codes(send(*[put_off] * 5)) == ["TEMP"] * 5
    told = send(OK)

    assert codes(told) == ["TEMP"]
    assert isinstance(told[0], NotSent)
    assert told[0].reason.startswith("limits.sends_per_day = 2")


def test_strangers_whom_nobody_reached_are_forgiven_up_to_the_limit_for_strangers(
    tally: Tally,
) -> None:
    limits = Limits(tally, house(new=3))

    async def knock(*recipients: str) -> NotSent | None:
        share = limits.share(INFO, recipients, NOON)
        refused = await share.take()
        await share.forgive()
        return refused

    async def run() -> list[bool]:
        return [await knock(f"{n}@b.example", f"{n}@c.example") is None for n in range(4)]

    # Two are forgiven; two more would be four, so they count; and then no two more fit.
    assert asyncio.run(run()) == [True, True, False, False]
    assert ask(tally, house(new=3), "0@b.example") is None
    assert ask(tally, house(new=3), "9@b.example", at=hours(24)) is None


def test_what_was_forgiven_moves_with_its_mailbox(tally: Tally) -> None:
    before = house(sends=2)
    moved = replace(before, former={"ops@a.example": INFO})

    async def knock(snapshot: Snapshot, author: str) -> bool:
        share = Limits(tally, snapshot).share(author, ("b@b.example",), NOON)
        refused = await share.take()
        await share.forgive()
        return refused is None

    async def run() -> list[bool]:
        first = [await knock(before, INFO) for _ in range(2)]
        return first + [await knock(moved, "ops@a.example") for _ in range(3)]

    # Two were forgiven to it already, so that two count, and there is no third.
    assert asyncio.run(run()) == [True, True, True, True, False]


def test_a_message_that_was_refused_for_good_or_may_have_arrived_counts(send: Send) -> None:
    told = codes(send(Failed("550"), Deferred("gone", unanswered=True), OK))

    assert told == ["DELIVERY", "DELIVERY", "TEMP"]


def test_a_message_that_is_repeated_under_its_key_counts_once(send: Send) -> None:
    assert codes(send(OK, OK, OK, key="one")) == ["sent"] * 3
    assert codes(send(OK, OK, key="two")) == ["sent"] * 2
    assert codes(send(OK)) == ["TEMP"]


def test_a_limit_does_not_use_a_key_up(send: Send, tmp_path: Path) -> None:
    assert codes(send(OK, OK, OK, key="")) == ["sent", "sent", "TEMP"]
    assert codes(send(OK, key="later")) == ["TEMP"]

    with sqlite3.connect(tmp_path / "tally.db") as database:  # A day goes by.
        database.execute("DELETE FROM sends")

    assert codes(send(OK, key="later")) == ["sent"]


def test_a_message_that_is_no_message_counts_for_nothing(send: Send) -> None:
    assert codes(send(OK, author="nobody at all")) == ["MALFORMED"]
    assert codes(send(OK, OK)) == ["sent", "sent"]
