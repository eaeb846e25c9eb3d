import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aimx.outbound.keys import CallersKey
from aimx.outbound.once import once
from aimx.outbound.outcome import Sent
from aimx.outbound.queue.database import Database, QueueError
from aimx.outbound.queue.keyring import Keyring
from aimx.outbound.queue.ledger import Ledger
from aimx.outbound.refusal import Code, NotSent

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = CallersKey(1000, "k")


class Host:
    """Gives the outcomes in turn, and counts how often it was asked."""

    def __init__(self, *outcomes: Sent | NotSent | Exception) -> None:
        self.asked = 0
        self._outcomes = list(outcomes)

    async def send(self) -> Sent | NotSent:
        self.asked += 1
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Disk:
    """Where keys are recorded, unless it is full."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.is_full = False

    async def record(self, write):
        if self.is_full:
            raise QueueError("the disk is full")
        return write(self._ledger)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(Ledger(Database(tmp_path, lambda connection: None), run="one"))


@pytest.fixture
def keys(disk: Disk) -> Keyring:
    return Keyring(disk.record)


def send(keys: Keyring, host: Host, key: CallersKey = KEY) -> Sent | NotSent:
    return asyncio.run(once(keys, key, NOW, host.send))


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Sent("<id@a.example>"), id="sent"),
        pytest.param(NotSent(Code.DELIVERY, "b@b.example: failed"), id="refused-for-good"),
    ],
)
def test_the_second_time_gets_the_first_outcome(keys: Keyring, outcome: Sent | NotSent) -> None:
    host = Host(outcome)

    assert [send(keys, host), send(keys, host)] == [outcome, outcome]
    assert host.asked == 1


def test_what_was_put_off_may_be_sent_again(keys: Keyring) -> None:
    host = Host(NotSent(Code.TEMP, "later"), Sent("<id@a.example>"))

    assert send(keys, host) == NotSent(Code.TEMP, "later")
    assert send(keys, host) == Sent("<id@a.example>")


def test_after_a_defect_nobody_claims_to_know(keys: Keyring) -> None:
    host = Host(RuntimeError("a defect"))
    with pytest.raises(RuntimeError):
        send(keys, host)

    told = send(keys, host)

    assert isinstance(told, NotSent)
    assert (told.code, told.reason.partition(":")[0]) == (Code.DELIVERY, "unknown")
    assert host.asked == 1


def test_nothing_is_sent_that_cannot_be_recorded_until_it_can(disk: Disk, keys: Keyring) -> None:
    host = Host(Sent("<id@a.example>"))
    disk.is_full = True

    told = send(keys, host)

    assert isinstance(told, NotSent)
    assert (told.code, host.asked) == (Code.TEMP, 0)
    disk.is_full = False
    assert send(keys, host) == Sent("<id@a.example>")


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        pytest.param(Sent("<id@a.example>"), 1, id="sent"),
        pytest.param(NotSent(Code.DELIVERY, "b@b.example: failed"), 1, id="refused-for-good"),
        pytest.param(NotSent(Code.TEMP, "later"), 2, id="put-off"),
    ],
)
def test_what_became_of_it_is_told_and_remembered_though_the_disk_is_full(
    disk: Disk, keys: Keyring, outcome: Sent | NotSent, asked: int
) -> None:
    class Filling(Host):
        async def send(self) -> Sent | NotSent:
            disk.is_full = True
            return await super().send()

    host = Filling(outcome, outcome)

    assert send(keys, host) == outcome
    told = send(keys, host)
    disk.is_full = False

    assert isinstance(told, NotSent)
    assert told.code is Code.TEMP
    assert send(keys, host) == outcome
    assert host.asked == asked


def test_a_key_has_bounds(keys: Keyring) -> None:
    told = send(keys, Host(), CallersKey(1000, "k" * 256))

    assert isinstance(told, NotSent)
    assert told.code is Code.MALFORMED
