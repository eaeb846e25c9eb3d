import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aimx.outbound.keys import CallersKey, Keys
from aimx.outbound.once import once
from aimx.outbound.outcome import Sent
from aimx.outbound.queue.database import Database
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


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(Database(tmp_path, lambda connection: None).connection, run="one")


def send(keys: Keys | None, host: Host, key: CallersKey = KEY) -> Sent | NotSent:
    return asyncio.run(once(keys, key, NOW, host.send))


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Sent("<id@a.example>"), id="sent"),
        pytest.param(NotSent(Code.DELIVERY, "b@b.example: failed"), id="refused-for-good"),
    ],
)
def test_the_second_time_gets_the_first_outcome(keys: Keys, outcome: Sent | NotSent) -> None:
    host = Host(outcome)

    assert [send(keys, host), send(keys, host)] == [outcome, outcome]
    assert host.asked == 1


def test_what_was_put_off_may_be_sent_again(keys: Keys) -> None:
    host = Host(NotSent(Code.TEMP, "later"), Sent("<id@a.example>"))

    assert send(keys, host) == NotSent(Code.TEMP, "later")
    assert send(keys, host) == Sent("<id@a.example>")


def test_after_a_defect_nobody_claims_to_know(keys: Keys) -> None:
    host = Host(RuntimeError("a defect"))
    with pytest.raises(RuntimeError):
        send(keys, host)

    told = send(keys, host)

    assert isinstance(told, NotSent)
    assert (told.code, told.reason.partition(":")[0]) == (Code.DELIVERY, "unknown")
    assert host.asked == 1


def test_nothing_is_sent_that_cannot_be_recorded() -> None:
    host = Host()

    told = send(None, host)

    assert isinstance(told, NotSent)
    assert (told.code, host.asked) == (Code.TEMP, 0)


def test_a_key_has_bounds(keys: Keys) -> None:
    told = send(keys, Host(), CallersKey(1000, "k" * 256))

    assert isinstance(told, NotSent)
    assert told.code is Code.MALFORMED
