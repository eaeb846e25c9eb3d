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
    assert keys.begin(1000, "k", NOW) is Standing.FRESH
    keys.settle(1000, "k", SENT)

    assert keys.begin(1000, "k", NOW) == SENT


def test_a_key_that_is_being_sent_is_not_sent_beside_it(keys: Keys) -> None:
    keys.begin(1000, "k", NOW)

    assert keys.begin(1000, "k", NOW) is Standing.UNDER_WAY


def test_what_a_dead_process_had_begun_is_unknown(keys: Keys, tmp_path: Path) -> None:
    keys.begin(1000, "k", NOW)

    successor = opened(tmp_path, "two")

    assert successor.begin(1000, "k", NOW) is Standing.UNKNOWN


def test_an_outcome_outlives_the_process(keys: Keys, tmp_path: Path) -> None:
    keys.begin(1000, "k", NOW)
    keys.settle(1000, "k", SENT)

    successor = opened(tmp_path, "two")

    assert successor.begin(1000, "k", NOW) == SENT


def test_the_keys_of_two_callers_are_strangers(keys: Keys) -> None:
    keys.begin(1000, "k", NOW)

    assert keys.begin(1001, "k", NOW) is Standing.FRESH


def test_a_key_is_free_again_where_nothing_went_out(keys: Keys) -> None:
    keys.begin(1000, "k", NOW)
    keys.release(1000, "k")

    assert keys.begin(1000, "k", NOW) is Standing.FRESH


def test_a_key_is_forgotten_after_a_month(keys: Keys) -> None:
    keys.begin(1000, "k", NOW)
    keys.settle(1000, "k", SENT)

    later = NOW + KEPT + timedelta(seconds=1)

    assert keys.begin(1000, "k", later) is Standing.FRESH
