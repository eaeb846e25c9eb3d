from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.controller.backoff import FIRST, LONGEST, backoff
from aimx.controller.conditions import Conditions, listed, remembered
from aimx.mail.dates import rfc3339

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = BEGIN + timedelta(hours=1)


def test_a_condition_says_since_when_its_status_holds() -> None:
    conditions = Conditions().told("Ready", "False", BEGIN, reason="NoKey")

    again = conditions.told("Ready", "False", LATER, reason="EngineDown")
    better = again.told("Ready", "True", LATER)

    assert [c.documents()[0]["since"] for c in (conditions, again, better)] == [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T04:04:05Z",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"since": "long ago"}, id="no time"),
        pytest.param({"since": 5}, id="a number"),
        pytest.param({"type": "Odd"}, id="another type"),
        pytest.param({"more": ""}, id="a field more"),
    ],
)
def test_what_is_no_condition_is_passed_over(changed: dict[str, object]) -> None:
    (whole,) = Conditions().told("Converged", "True", BEGIN).documents()

    before = remembered([{**whole, **changed}, whole]).before

    assert remembered([{**whole, **changed}]).before == {}
    assert [asdict(each) for each in before.values()] == [whole]


def test_an_engine_that_began_anew_is_ready_since_then() -> None:
    conditions = Conditions().told("Ready", "True", BEGIN).told("EngineActive", "True", BEGIN)

    after = remembered(conditions.told("Drifted", "False", BEGIN).documents())

    for kind, since in (("Ready", LATER), ("EngineActive", LATER), ("Drifted", BEGIN)):
        (told,) = after.told(kind, "False" if kind == "Drifted" else "True", LATER).documents()
        assert told["since"] == rfc3339(since), kind


def test_conditions_are_told_in_an_order_that_does_not_vary() -> None:
    conditions = Conditions().told("Drifted", "False", BEGIN).told("Ready", "True", BEGIN)

    assert [document["type"] for document in conditions.documents()] == ["Ready", "Drifted"]


def test_of_what_is_as_long_as_a_manifest_the_first_are_told_and_where_the_rest_is() -> None:
    lines = [f"mailbox/{number}@a.com" for number in range(5_000)]

    assert listed(lines, "`aimx plan` shows").split("\n") == [
        *lines[:5],
        "and 4,995 more, which `aimx plan` shows",
    ]
    assert listed(lines[:5], "`aimx plan` shows").split("\n") == lines[:5]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waiting_has_bounds(failures: int, chance: float) -> None:
    wait = backoff(failures, lambda: chance)

    assert FIRST / 2 <= wait <= LONGEST


@given(st.integers(1, 30))
def test_each_failure_makes_the_wait_no_shorter(failures: int) -> None:
    assert backoff(failures + 1, lambda: 0.5) >= backoff(failures, lambda: 0.5)
