from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aimx.outbound.keys import KEPT, Keys, Settled, Standing
from aimx.outbound.queue.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SENT = Settled("", "<id@a.example>")


def opened(directory: Path, run: str) -> Keys:
    """As the process of that run has them."""
    return Keys(Database(directory, lambda connection: None).connection, run)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return opened(tmp_path, "one")


def test_a_key_that_was_sent_is_answered_and_not_sent_again(keys: Keys) -> None:
    assert keys.claim(1000, "k", NOW.timestamp()) is Standing.FRESH
    keys.settle(1000, "k", SENT)

    assert keys.claim(1000, "k", NOW.timestamp()) == SENT


def test_a_key_that_is_being_sent_is_not_sent_beside_it(keys: Keys) -> None:
    keys.claim(1000, "k", NOW.timestamp())

    assert keys.claim(1000, "k", NOW.timestamp()) is Standing.UNDER_WAY


def test_what_a_dead_process_had_begun_is_unknown(keys: Keys, tmp_path: Path) -> None:
    keys.claim(1000, "k", NOW.timestamp())

    successor = opened(tmp_path, "two")

    assert successor.claim(1000, "k", NOW.timestamp()) is Standing.UNKNOWN


def test_an_outcome_outlives_the_process(keys: Keys, tmp_path: Path) -> None:
    keys.claim(1000, "k", NOW.timestamp())
    keys.settle(1000, "k", SENT)

    successor = opened(tmp_path, "two")

    assert successor.claim(1000, "k", NOW.timestamp()) == SENT


def test_the_keys_of_two_callers_are_strangers(keys: Keys) -> None:
    keys.claim(1000, "k", NOW.timestamp())

    assert keys.claim(1001, "k", NOW.timestamp()) is Standing.FRESH


def test_a_key_is_free_again_where_nothing_went_out(keys: Keys) -> None:
    keys.claim(1000, "k", NOW.timestamp())
    keys.release(1000, "k")

    assert keys.claim(1000, "k", NOW.timestamp()) is Standing.FRESH


def test_a_key_is_forgotten_after_a_month(keys: Keys) -> None:
    keys.claim(1000, "k", NOW.timestamp())
    keys.settle(1000, "k", SENT)

    later = NOW + KEPT + timedelta(seconds=1)

    assert keys.claim(1000, "k", later.timestamp()) is Standing.FRESH
