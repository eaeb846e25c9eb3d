"""What a look came to, from the plan that it made."""

from __future__ import annotations

import pytest

from aimx.controller.findings import Findings, settled, waiting
from aimx.controller.review import Review
from desired import manifest
from desired.problem import Source
from reconcilers.change import Action, Blocked, Change
from reconcilers.plan import Plan, Unsettled

READING = manifest.read([Source("manifest.toml", b'domains = ["a.com"]\n')])
IN_THE_WAY = Blocked("symlink", "it is a link", "remove it")
COMES = Change("mailbox/new@a.com", Action.CREATE, "it is declared")
DRIFTS = Change("mailbox/info@a.com", Action.REPAIR, "its mode is another", drifted=True)
BLOCKED = Change("domain/a.com", Action.CREATE, "it is declared", blocked=IN_THE_WAY)
STUCK = Change("readme", Action.REPAIR, "it is another", drifted=True, blocked=IN_THE_WAY)
UNSEEN = Unsettled("dkim", "nobody can look at it")


def review(*changes: Change, unsettled: tuple[Unsettled, ...] = (), config: bytes = b"") -> Review:
    plan = Plan(3, "sha256:ab", changes, (), 0, config or None, unsettled)
    return Review(READING, plan, "sha256:cd")


def converged(findings: Findings) -> tuple[str, str, str]:
    (found,) = (each for each in findings.conditions if each.kind == "Converged")
    return found.status, found.reason, found.message


def test_with_nothing_left_it_has_converged() -> None:
    assert converged(settled(review(), generation=3, applied=False)) == ("True", "", "")


@pytest.mark.parametrize(
    ("changes", "unsettled", "reason", "told"),
    [
        pytest.param(
            [DRIFTS],
            (),
            "DriftReported",
            "mailbox/info@a.com: its mode is another",
            id="drift alone",
        ),
        pytest.param(
            [DRIFTS, BLOCKED],
            (),
            "Blocked",
            "mailbox/info@a.com: its mode is another\ndomain/a.com: it is a link",
            id="drift, and what is blocked",
        ),
        pytest.param([STUCK], (), "Blocked", "readme: it is a link", id="drift that is blocked"),
        pytest.param([], (UNSEEN,), "Blocked", "dkim: nobody can look at it", id="unseen"),
        pytest.param(
            [DRIFTS],
            (UNSEEN,),
            "Blocked",
            "mailbox/info@a.com: its mode is another\ndkim: nobody can look at it",
            id="drift, and what is unseen",
        ),
    ],
)
def test_what_is_left_and_why_is_told(changes, unsettled, reason, told) -> None:
    found = settled(review(*changes, unsettled=unsettled), generation=3, applied=False)

    assert converged(found) == ("False", reason, told)


def test_what_drifted_is_told_apart_from_what_comes() -> None:
    drifting = settled(review(DRIFTS, COMES), generation=3, applied=False)
    coming = settled(review(COMES), generation=3, applied=False)

    told = [each for found in (drifting, coming) for each in found.conditions]
    drifted = [(each.status, each.message) for each in told if each.kind == "Drifted"]
    assert drifted == [("True", "mailbox/info@a.com"), ("False", "")]


def test_of_what_was_applied_what_is_blocked_is_left() -> None:
    found = settled(review(COMES, BLOCKED), generation=4, applied=True)

    assert converged(found) == ("False", "Blocked", "domain/a.com: it is a link")


def test_what_waits_is_told_where_nothing_else_is_left() -> None:
    assert converged(settled(review(), generation=3, applied=True, waits=True))[1] == (
        "AwaitsApproval"
    )
    assert converged(settled(review(BLOCKED), generation=3, applied=True, waits=True))[1] == (
        "Blocked"
    )


def test_the_generation_that_is_desired_is_never_behind_the_machine() -> None:
    ahead = settled(review(DRIFTS, config=b"x"), generation=3, applied=False)
    behind = settled(review(DRIFTS), generation=5, applied=False)
    there = settled(review(COMES, config=b"x"), generation=4, applied=True)

    generations = [(each.generation, each.desired_generation) for each in (ahead, behind, there)]
    assert generations == [(3, 4), (5, 5), (4, 4)]


def test_a_plan_that_waits_is_told_with_how_it_is_approved_and_where_it_leads() -> None:
    found = waiting(review(COMES, config=b"x"))

    (told,) = found.conditions
    assert (told.status, told.reason) == ("True", "RunApprove")
    assert told.message == "`aimx approve cd` applies:\ncreate mailbox/new@a.com"
    assert (found.pending_plan, found.desired_generation) == ("sha256:cd", 4)


@pytest.mark.parametrize("whole", [None, review(), review(BLOCKED)])
def test_what_nobody_can_carry_out_waits_for_nobody(whole: Review | None) -> None:
    found = waiting(whole)

    assert [each.status for each in found.conditions] == ["False"]
    assert (found.pending_plan, found.desired_generation) == ("", None)
