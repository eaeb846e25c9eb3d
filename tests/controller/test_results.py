"""What became of a resource, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.controller.account import Account, Applied
from aimx.controller.backoff import LONGEST, backoff
from aimx.controller.results import Results, account, failure
from aimx.doors.wish import Question
from reconcilers.host.memory import MemoryHost
from reconcilers.receipt import Outcome, Receipt, Tally
from reconcilers.roots import Roots

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BOX = "mailbox/a@a.com"

addresses = st.sampled_from([BOX, "mailbox/b@a.com", "readme", "config", "dkim/a.com/aimx"])
receipts = st.lists(
    st.builds(Receipt, st.text(), addresses, st.sampled_from(Outcome), st.just("why")), max_size=6
)


def failed(address: str = BOX) -> Receipt:
    return Receipt(f"{address}#1", address, Outcome.FAILED, "no space")


@given(st.lists(receipts, max_size=5))
def test_only_what_failed_waits_and_never_for_ever(applies: list[list[Receipt]]) -> None:
    results = Results()
    for each in applies:
        results = results.told(each, NOW)

    for result in results.by_address.values():
        assert (result.outcome is Outcome.FAILED) == (result.retry is not None)
        if result.retry is not None:
            assert NOW < result.retry <= NOW + timedelta(seconds=LONGEST)
    assert set(results.held(NOW)) <= results.by_address.keys()


def test_an_apply_that_did_not_get_to_its_end_says_what_failed_and_not_what_was_skipped() -> None:
    config = Receipt("config#1", "config", Outcome.FAILED, "no space")
    skipped = Receipt("engine#1", "engine", Outcome.SKIPPED, "needs config")
    tally = Tally(0, 1, 1, 0, 0.1, 1)

    assert Account("", tally, (skipped, config)).reason == "config: no space"
    both = (skipped, config, failed(), failed("readme"))
    assert Account("", tally, both).reason == "config, the first of 3 that failed: no space"
    assert Account("", tally, (skipped,)).reason == "needs config"


@given(st.lists(receipts, max_size=5))
def test_impatience_lets_nothing_wait(applies: list[list[Receipt]]) -> None:
    results = Results()
    for each in applies:
        results = results.told(each, NOW)

    eager = results.impatient()

    assert (eager.held(NOW), eager.next(NOW)) == ({}, None)
    assert eager.by_address.keys() == results.by_address.keys()
    assert {each.failures for each in eager.by_address.values()} <= {0}


@given(st.integers(1, 12))
def test_each_failure_in_a_row_makes_the_wait_no_shorter(failures: int) -> None:
    def wait(number: int) -> float:
        return backoff(number, lambda: 1.0)

    results, waits = Results(), []
    for _ in range(failures):
        results = results.told([failed()], NOW, wait)
        waits.append(results.next(NOW))

    assert waits == sorted(waits)
    assert results.by_address[BOX].failures == failures


def test_what_worked_at_last_has_never_failed() -> None:
    once = Results().told([failed()], NOW)

    done = once.told([Receipt("1", BOX, Outcome.DONE)], NOW)

    assert done.by_address[BOX].failures == 0
    assert done.next(NOW) is None


def test_the_worst_step_tells_of_its_resource() -> None:
    steps = [Receipt("1", BOX, Outcome.DONE), failed(), Receipt("3", BOX, Outcome.SKIPPED, "x")]

    result = Results().told(steps, NOW).by_address[BOX]

    assert (result.outcome, result.reason) == (Outcome.FAILED, "no space")


def test_what_others_stand_on_is_not_left_out() -> None:
    results = Results().told(
        [failed("dkim/a.com/aimx"), failed("domain/a.com"), failed("config"), failed()], NOW
    )

    assert results.held(NOW).keys() == {BOX}


def test_what_failed_is_held_back_until_its_time_and_no_longer() -> None:
    results = Results().told([failed()], NOW, lambda failures: 8.0)

    assert results.held(NOW + timedelta(seconds=7)) == {BOX: "no space"}
    assert results.held(NOW + timedelta(seconds=8)) == {}


def test_a_clock_that_was_set_back_makes_nobody_wait_for_ever() -> None:
    results = Results().told([failed()], NOW)

    assert results.held(NOW - timedelta(days=365)) == {}
    assert (results.next(NOW - timedelta(days=365)) or 0) <= LONGEST


def test_results_are_told_in_an_order_that_does_not_vary() -> None:
    results = Results().told([failed("readme")], NOW).told([failed()], NOW)

    assert list(results.documents()) == [BOX, "readme"]


def test_not_more_is_remembered_than_a_status_can_hold() -> None:
    many = [Receipt(f"{n}", f"mailbox/{n}@a.com", Outcome.DONE) for n in range(3000)]

    results = Results().told([failed()], NOW).told(many, NOW + timedelta(hours=1))

    assert len(results.by_address) <= 1001
    assert BOX in results.by_address


def test_of_what_is_done_no_more_is_told_than_is_remembered_and_of_the_rest_all(serving) -> None:
    steps = [Receipt(f"{n}", f"mailbox/{n}@a.com", Outcome.DONE) for n in range(1500)]
    steps += [Receipt(f"x{n}", f"mailbox/x{n}@a.com", Outcome.SKIPPED, "y") for n in range(1500)]

    async def scene(served) -> None:
        review, tally = served.review(), Tally.of(steps, 0.0, 1)

        told = account(Applied(review, tuple(steps), tally, "no record"))

        digest = review.reading.desired.digest
        assert told == Account(digest, tally, tuple(steps[500:]), "no record")

    serving(scene)


def test_how_the_last_try_of_a_resource_failed_is_explained(serving):
    async def scene(served) -> None:
        asked = Question("EXPLAIN", address="mailbox/info@example.com")
        served.declare("postmaster", "info")
        served.fail("inbox/info")
        await served.controller.turn()

        told = " ".join((await served.wish(asked)).answer.output.split())
        served.fail("")
        served.controller.state.results = served.controller.state.results.impatient()
        served.controller.nudge()
        await served.controller.turn()
        after = (await served.wish(asked)).answer.output

        assert "Last try failed: " in told
        assert "no space is left on the device (" in told
        assert "; it is tried again at " in told
        assert "Last try" not in after

    serving(scene)


@pytest.mark.parametrize(
    "status",
    [b"", b"[]", b'{"results": []}', b'{"results": {"mailbox/a@b.com": {"outcome": "failed"}}}'],
    ids=["empty", "another", "none", "half"],
)
def test_of_a_status_that_nobody_wrote_no_failure_is_told(status):
    roots = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/m.toml")))
    host = MemoryHost(roots)
    host.plant_file(roots.status, status)

    assert failure(host, roots, "mailbox/a@b.com") is None
