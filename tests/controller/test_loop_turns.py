"""What the loop makes of each turn: with a planner that answers as it is told, and a clock that
stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from aimx.controller import intents, loop
from aimx.controller.account import Account
from aimx.controller.findings import Finding, Findings
from aimx.controller.planner import PlannerGoneError
from aimx.controller.pulse import Pulse
from aimx.controller.retention import Purge
from aimx.controller.turn import Turn, Turned
from aimx.controller.watched import UNWATCHED, Watched
from aimx.metrics import table as metrics
from desired.problem import digest
from reconcilers.host.host import ReconcileError, StepError
from reconcilers.intents import Pin, Suspension, keep_pin
from reconcilers.overdue import Overdue
from reconcilers.receipt import Outcome, Receipt, Tally

AN_HOUR = 3600.0
FINE = Turned(Findings(), attempted="sha256:ab", resync=AN_HOUR)
BOX, KEY = "mailbox/info@example.com", "dkim/example.com/aimx"


class Scripted:
    """A planner that gives what is next of a list, the last of it for ever, or raises it."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.turns: list[Turn] = []
        self.jobs: list[object] = []
        self.left = False
        self.during: Callable[[], None] = lambda: None

    async def do(self, job: object, watched: Watched = UNWATCHED) -> object:
        self.jobs.append(job)
        if isinstance(job, Turn):
            self.turns.append(job)
        self.during()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self) -> None:
        self.left = True


class Clock:
    """The loop's, which goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "_now", clock)
    return clock


@pytest.fixture
def turning(serving, clock):
    """Runs a scene with the answers that the planner gives."""

    def run(scene, *answers: object) -> None:
        async def scened(served) -> None:
            planner = served.controller.planner = Scripted(*(answers or (FINE,)))
            await scene(served, planner)

        serving(scened)

    return run


async def turns(served, number: int) -> None:
    """So many, each after somebody wanted one."""
    for _ in range(number):
        served.controller.nudge()
        await served.controller.turn()


def account(*receipts: Receipt, seconds: float = 0.0) -> Account:
    return Account("sha256:ab", Tally.of(receipts, seconds, 1), receipts)


def failed(address: str) -> Turned:
    receipt = Receipt("1", address, Outcome.FAILED, "no space is left")
    told = account(receipt)
    return replace(FINE, account=told, failure=told.reason)


# When there is anything to look at.


def test_what_was_dealt_with_is_not_looked_at_again(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()
        await served.controller.turn()

        assert len(planner.turns) == 1

    turning(scene)


def test_a_manifest_that_cannot_be_had_is_dealt_with_once(turning):
    async def scene(served, planner) -> None:
        (served.base / "config" / "manifest.toml").unlink()
        await served.controller.turn()
        await served.controller.turn()
        assert [turn.manifest for turn in planner.turns] == [""]

        (served.base / "config" / "manifest.toml").mkdir()
        await served.controller.turn()
        assert [turn.manifest for turn in planner.turns] == ["", ""]

    turning(scene)


def test_what_somebody_says_is_news_without_a_hint(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()
        now = served.instance.host.now()
        intents.suspend(served.instance, Suspension(now + timedelta(hours=1), "", 0, now))

        await served.controller.turn()

        assert len(planner.turns) == 2

    turning(scene)


def test_an_apply_is_likely_after_an_edit_and_at_no_other_look(turning):
    async def scene(served, planner) -> None:
        await turns(served, 2)
        served.declare("postmaster", "info")
        await turns(served, 2)
        (served.base / "config" / "manifest.toml").unlink()
        await turns(served, 1)
        served.declare("postmaster", "info")
        await turns(served, 1)
        served.declare("postmaster")
        await turns(served, 1)

        likely = [turn.likely for turn in planner.turns]
        assert likely == [False, False, True, False, False, False, True]

    turning(scene)


@pytest.mark.parametrize("does", ["turn", "change", "carry_out"])
def test_whatever_changes_something_is_done_alone_and_looked_at_after(turning, does):
    async def scene(served, planner) -> None:
        controller, alone = served.controller, []
        planner.during = lambda: alone.append(controller.changing.locked())
        await (controller.turn() if does == "turn" else getattr(controller, does)("a job"))
        assert alone == [True]
        assert controller.is_settled == (does == "turn")

        await controller.turn()

        assert [type(job) for job in planner.jobs][1:] == ([] if does == "turn" else [Turn])

    turning(scene)


def test_while_something_is_done_it_is_not_settled(turning):
    async def scene(served, planner) -> None:
        async with served.controller.changing:
            assert not served.controller.is_settled

    turning(scene)


def test_it_is_settled_once_every_hint_is_looked_at(turning):
    async def scene(served, planner) -> None:
        assert served.controller.is_settled
        served.controller.nudge()
        assert not served.controller.is_settled

    turning(scene)


# How long it waits.


def test_while_nothing_changes_it_looks_again_when_the_time_is_over(turning, clock):
    async def scene(served, planner) -> None:
        await turns(served, 1)
        assert served.controller.next_look() == AN_HOUR

        clock.now += 10
        assert served.controller.next_look() == AN_HOUR - 10

    turning(scene)


def test_however_often_a_manifest_asks_it_does_not_look_all_the_time(turning):
    async def scene(served, planner) -> None:
        await turns(served, 1)

        assert served.controller.next_look() == 1.0

    turning(scene, replace(FINE, resync=0.0))


def test_a_broken_manifest_is_looked_at_when_it_changes(turning):
    async def scene(served, planner) -> None:
        await turns(served, 2)

        assert served.controller.next_look() == AN_HOUR

    soon = replace(FINE, resync=60.0)
    turning(scene, soon, Turned(Findings(), complaints=("nonsense",)))


def test_what_is_to_be_tried_again_is_not_left_until_the_next_look(turning):
    async def scene(served, planner) -> None:
        await turns(served, 1)

        assert 0 < served.controller.next_look() <= 1.0

    turning(scene, failed(BOX))


def test_a_wait_that_is_longer_than_the_next_look_leaves_that_as_it_is(turning):
    async def scene(served, planner) -> None:
        now = served.instance.host.now()
        intents.suspend(served.instance, Suspension(now + timedelta(days=2), "", 0, now))
        await turns(served, 1)

        assert served.controller.next_look() == AN_HOUR

    turning(scene)


async def rounds(served, enough: Callable[[], bool]) -> None:
    """Runs the loop until there are enough; how long that takes decides nothing."""
    running = asyncio.create_task(served.controller.run(0.05))
    async with asyncio.timeout(60):
        while not enough():
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_all_is_looked_at_again_when_the_time_is_over_and_not_before(turning, clock):
    async def scene(served, planner) -> None:
        await rounds(served, lambda: served.beats.count("settled") > 10)
        assert len(planner.turns) == 1

        clock.now += AN_HOUR
        await rounds(served, lambda: len(planner.turns) > 1)

    turning(scene)


def test_with_no_watchdog_it_waits_for_no_longer_than_to_the_next_look(serving):
    async def scene(served) -> None:
        soon = replace(FINE, resync=0.0)
        planner = served.controller.planner = Scripted(soon)
        served.controller.pulse = Pulse()

        await rounds(served, lambda: len(planner.turns) > 1)

    serving(scene)


def test_an_edit_is_a_hint(serving):
    async def scene(served) -> None:
        planner = served.controller.planner = Scripted(FINE)
        served.controller.pulse = Pulse()
        planner.during = lambda: served.declare("postmaster", "info")

        await rounds(served, lambda: len(planner.turns) > 1)

    serving(scene)


def test_what_was_set_aside_is_looked_at_while_it_runs(turning):
    async def scene(served, planner) -> None:
        (served.base / "data/.aimx/tombstones/info@example.com.2").mkdir(parents=True)

        await rounds(served, lambda: any(isinstance(job, Purge) for job in planner.jobs))

    turning(scene)


def test_leaving_lets_whoever_plans_leave(turning):
    async def scene(served, planner) -> None:
        await rounds(served, lambda: bool(planner.turns))

        assert planner.left

    turning(scene)


# What became of it.


def test_what_changed_during_a_look_is_looked_at_and_nothing_is_told(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()

        assert served.controller.nudged.is_set()
        assert served.controller.state.conditions.by_type.keys() == {"Suspended", *ENGINE}
        await served.controller.turn()
        assert len(planner.turns) == 2

    told = Findings((Finding("Drifted", "True"),))
    turning(scene, Turned(told, stale=True), FINE)


ENGINE = ("EngineActive", "Ready")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (StepError("the disk is gone"), "the disk is gone"),
        (RuntimeError("a defect"), "internal error: RuntimeError; the log has it"),
    ],
)
def test_nothing_that_goes_wrong_ends_it(turning, raised, told):
    async def scene(served, planner) -> None:
        await turns(served, 1)
        condition = served.controller.state.conditions.by_type["Converged"]
        assert (condition.status, condition.reason) == ("False", "ApplyFailed")
        assert condition.message == told

        await turns(served, 1)
        assert served.beats == ["beat"] * 2
        assert served.controller.next_look() == AN_HOUR

    turning(scene, raised, FINE)


def test_what_it_found_is_told_and_so_is_the_manifest_that_it_was_of(turning):
    async def scene(served, planner) -> None:
        await turns(served, 1)

        assert served.condition("Drifted") == ("True", "")
        assert served.controller.state.last_attempted == "sha256:ab"

    turning(scene, replace(FINE, findings=Findings((Finding("Drifted", "True"),))))


def test_a_broken_manifest_is_logged_once_and_one_that_is_mended_not_at_all(turning):
    async def scene(served, planner) -> None:
        with capture_logs() as logged:
            await turns(served, 5)

        told = [each for each in logged if each["event"] == "manifest is invalid"]
        assert [(each["problems"], each["first"]) for each in told] == [(3, "a"), (1, "b")]

    broken = [Turned(Findings(), complaints=tuple(text)) for text in ("acd", "b")]
    turning(scene, broken[0], broken[0], broken[1], FINE, FINE)


def test_a_key_that_is_overdue_is_logged_once(turning):
    key = Overdue("a.com", "aimx", "2026-01-02", "90d")
    aged = replace(FINE, aged=(key,))

    async def scene(served, planner) -> None:
        with capture_logs() as logged:
            await turns(served, 4)

        told = [each["told"] for each in logged if each["event"] == "key is overdue"]
        assert told == [str(key)] * 2

    turning(scene, aged, aged, FINE, aged)


def test_what_fails_and_holds_nothing_up_is_left_out_of_a_look_at_once(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()
        assert served.controller.nudged.is_set()
        assert served.condition("Converged") == ("False", "ApplyFailed")
        assert planner.turns[0].held == {}

        await served.controller.turn()
        assert planner.turns[1].held == {BOX: "no space is left"}

    turning(scene, failed(BOX), FINE)


def test_what_fails_although_it_is_left_out_is_not_looked_at_at_once(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()
        served.controller.nudged.clear()
        await served.controller.turn()

        assert not served.controller.nudged.is_set()

    turning(scene, failed(BOX), failed(KEY))


def test_what_others_stand_on_waits_with_all_of_them(turning):
    async def scene(served, planner) -> None:
        with capture_logs() as logged:
            await served.controller.turn()

        assert not served.controller.nudged.is_set()
        assert [each["reason"] for each in logged if each["event"] == "not converged"] == [
            f"{KEY}: no space is left"
        ]

    turning(scene, failed(KEY))


def test_what_could_not_be_begun_waits_although_something_waits_alone(turning):
    async def scene(served, planner) -> None:
        await served.controller.turn()
        served.controller.nudged.clear()
        await served.controller.turn()

        assert served.condition("Converged") == ("False", "LockHeld")
        assert not served.controller.nudged.is_set()

    turning(scene, failed(BOX), replace(FINE, failure="held by a test", hindrance="LockHeld"))


def test_each_failure_in_a_row_waits_longer_until_something_works(turning, clock, monkeypatch):
    monkeypatch.setattr(loop, "backoff", float)
    refused = replace(FINE, failure="refused")

    async def scene(served, planner) -> None:
        waits = []
        for _ in range(5):
            await turns(served, 1)
            waits.append(served.controller.next_look())

        assert waits == [1.0, 2.0, 3.0, AN_HOUR, 1.0]

    turning(scene, refused, ReconcileError("gone"), refused, FINE, refused)


# Whether an apply may have been left half done.


def test_after_a_planner_that_died_there_is_doubt_until_a_turn_ends_well(turning):
    stale = Turned(Findings(), stale=True)
    refused = replace(FINE, failure="refused")

    async def scene(served, planner) -> None:
        await turns(served, 2)
        await served.controller.carry_out("a job")
        await turns(served, 4)

        doubtful = [turn.doubtful for turn in planner.turns]
        assert doubtful == [False, True, True, True, True, False]

    # The answer to the job is nothing that anybody reads.
    turning(scene, PlannerGoneError("died"), stale, None, stale, refused, FINE, FINE)


# What is counted and logged of it.


def test_the_time_of_an_apply_is_no_time_of_planning(turning, clock):
    async def scene(served, planner) -> None:
        planner.during = lambda: setattr(clock, "now", clock.now + 7)
        before = [each.read()[-1] for each in (metrics.PLANNING, metrics.APPLYING)]

        await turns(served, 1)

        after = [each.read()[-1] for each in (metrics.PLANNING, metrics.APPLYING)]
        spent = [new - old for new, old in zip(after, before, strict=True)]
        assert spent == pytest.approx([2.0, 5.0])

    turning(scene, Turned(Findings(), account=account(seconds=5.0)))


def test_an_apply_is_counted_as_what_it_was(turning):
    async def scene(served, planner) -> None:
        before = metrics.APPLIES.read()
        with capture_logs() as logged:
            await turns(served, 2)

        counted = [new - old for new, old in zip(metrics.APPLIES.read(), before, strict=True)]
        assert counted[:2] == [1, 1]
        told = [each for each in logged if each["event"] == "applied"]
        assert [(each["done"], each["failed"], each["skipped"]) for each in told] == [
            (1, 0, 0),
            (0, 1, 2),
        ]

    outcomes = (Outcome.FAILED, Outcome.SKIPPED, Outcome.NOT_STARTED)
    partial = account(*(Receipt(str(each), KEY, each) for each in outcomes))
    done = account(Receipt("1", KEY, Outcome.DONE))
    turning(scene, Turned(Findings(), account=done), Turned(Findings(), account=partial))


def test_what_was_applied_last_is_what_was_applied_whole(turning):
    async def scene(served, planner) -> None:
        await turns(served, 1)
        assert served.controller.state.last_applied == ""

        await turns(served, 1)
        assert served.controller.state.last_applied == "sha256:ab"

    turning(scene, failed(KEY), replace(FINE, account=account(Receipt("1", KEY, Outcome.DONE))))


def test_an_edit_while_another_manifest_is_pinned_is_logged_once(turning):
    async def scene(served, planner) -> None:
        now = served.instance.host.now()
        manifest = digest(served.instance.sources())
        pin = Pin(1, now + timedelta(hours=1), "", 0, now, 1, manifest, ())
        keep_pin(served.instance.host, served.instance.roots, pin)
        with capture_logs() as logged:
            await turns(served, 2)
            served.declare("postmaster", "info")
            await turns(served, 2)

        told = [each["pinned"] for each in logged if "is pinned" in each["event"]]
        assert told == [1]

    turning(scene)


def test_a_status_that_says_the_same_is_not_written_again(turning):
    async def scene(served, planner) -> None:
        path = served.base / "data/.aimx/status.json"
        await turns(served, 1)
        before = path.stat().st_ino
        path.with_name("other").touch()
        await turns(served, 1)

        assert path.stat().st_ino == before

    turning(scene)


def test_a_default_domain_without_a_key_is_not_ready_and_logged_once(turning):
    async def scene(served, planner) -> None:
        served.engine.committed = replace(served.engine.committed, keys={}, troubles=("a", "b"))
        with capture_logs() as logged:
            await turns(served, 2)
        assert served.condition("Ready") == ("False", "NoKey")
        assert len([each for each in logged if "has no DKIM key" in each["event"]]) == 1

        served.engine.committed = replace(served.engine.committed, keys={"example.com": {}})
        await turns(served, 1)
        assert served.condition("Ready") == ("False", "Damaged")

        served.engine.committed = replace(served.engine.committed, troubles=())
        await turns(served, 1)
        assert served.condition("Ready") == ("True", "")

    turning(scene)


def test_the_sentence_for_a_service_manager_has_all_that_is_amiss(turning):
    async def scene(served, planner) -> None:
        state = served.controller.state
        await turns(served, 1)
        assert state.sentence == "generation 1, not converged"
        assert state.document(daemon=True)["desired_generation"] == 1

        state.unmanned()
        state.generation = 7
        assert state.sentence == "generation 7, not converged"
        assert state.document(daemon=True)["desired_generation"] == 7

    turning(scene, failed(KEY))


def test_where_no_engine_runs_none_is_told_to_be_active(turning):
    async def scene(served, planner) -> None:
        state = served.controller.state
        state.unmanned()

        state.active(served.engine.committed)

        assert served.condition("EngineActive") == ("Unknown", "NoEngine")
        assert served.condition("Ready") == ("Unknown", "NoEngine")
        assert state.engine_generation == 0

    turning(scene)


def test_what_the_engine_refuses_to_run_on_is_told(turning):
    async def scene(served, planner) -> None:
        await turns(served, 1)
        assert served.condition("EngineActive") == ("False", "Refused")

        await turns(served, 1)
        assert served.condition("EngineActive") == ("True", "")

    turning(scene, Turned(Findings(), refused="inbound cannot run on it"), FINE)
