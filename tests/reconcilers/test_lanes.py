"""Several steps at a time: independent ones together, dependents after, and an honest journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Barrier, Event

import pytest

from reconcilers.apply import Ended, apply
from reconcilers.host.host import Access, StepError
from reconcilers.host.memory import MemoryHost
from reconcilers.host.threads import Threads
from reconcilers.journal import Journal, interrupted
from reconcilers.lanes import Lanes, OneLane
from reconcilers.operations.files import MakeDirectory
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt
from reconcilers.roots import Roots
from reconcilers.step import Hands, Phase, Step

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
PATIENCE = 60.0
DONE, FAILED, SKIPPED, NOT_STARTED = Outcome


@dataclass(slots=True)
class Does:
    """Whatever it is given."""

    deed: Callable[[], object]
    done: bool = False

    def take(self, hands: Hands) -> None:
        self.deed()
        self.done = True

    def holds(self, hands: Hands) -> bool:
        return self.done


@dataclass
class Engine:
    told: list[str] = field(default_factory=list)

    def prepare(self, config: bytes) -> None: ...

    def commit(self) -> None: ...

    def drop(self) -> None: ...


def fail() -> None:
    raise StepError("no space is left")


def step(id: str, deed: Callable[[], object], *after: str, phase: Phase = Phase.KEYS) -> Step:
    return Step(id, id.partition("#")[0], phase, Does(deed), after)


@pytest.fixture
def host() -> MemoryHost:
    host = MemoryHost(ROOTS)
    host.plant_directory(ROOTS.state)
    return host


def walk(
    host: MemoryHost,
    lanes: Lanes[Ended],
    *steps: Step,
    stop: Callable[[], bool] = lambda: False,
) -> list[Receipt]:
    plan = Plan(0, "", (), steps, 0)
    return list(apply(plan, Hands(host, Engine()), Journal(host, ROOTS, 1), stop, lanes))


def test_independent_steps_are_under_way_at_the_same_time(host):
    together = Barrier(3, timeout=PATIENCE)

    with Threads[Ended](3) as lanes:
        receipts = walk(host, lanes, *(step(f"dkim/{n}#1", together.wait) for n in range(3)))

    assert [receipt.outcome for receipt in receipts] == [DONE] * 3


def test_a_step_waits_for_those_that_it_needs_and_others_do_not_wait_with_it(host):
    first, order = Event(), []

    def slow():
        assert first.wait(PATIENCE)
        order.append("a#1")

    def quick():
        order.append("b#1")
        first.set()

    with Threads[Ended](2) as lanes:
        walk(
            host,
            lanes,
            step("a#1", slow),
            step("a#2", lambda: order.append("a#2"), "a#1"),
            step("b#1", quick),
        )

    assert order == ["b#1", "a#1", "a#2"]


@pytest.mark.parametrize("number", [1, 4])
def test_a_failed_step_skips_its_dependents_only(host, number):
    with Threads[Ended](number) as lanes:
        receipts = walk(
            host,
            lanes,
            step("a#1", fail),
            step("a#2", fail, "a#1"),
            step("b#1", lambda: None),
            step("b#2", lambda: None, "b#1"),
        )

    found = {receipt.step: receipt.outcome for receipt in receipts}
    assert found == {"a#1": FAILED, "a#2": SKIPPED, "b#1": DONE, "b#2": DONE}


def test_one_lane_takes_the_steps_in_the_order_of_the_plan(host):
    order: list[str] = []
    ids = ["c#1", "a#1", "b#1", "a#2"]

    walk(host, OneLane(), *(step(id, lambda id=id: order.append(id)) for id in ids))

    assert order == ids


def test_each_step_is_intended_before_its_outcome_in_the_journal(host):
    with Threads[Ended](4) as lanes:
        walk(host, lanes, *(step(f"dkim/{n}#1", lambda: None) for n in range(40)))

    told = [*map(json.loads, (host.read(ROOTS.journal / "1.jsonl") or b"").splitlines())]
    events = [(event["event"], step) for event in told for step in event.get("steps", ())]
    for number in range(40):
        intent = events.index(("intent", f"dkim/{number}#1"))
        assert events.index(("outcome", f"dkim/{number}#1")) > intent
    assert (told[0]["event"], told[-1]["event"]) == ("begin", "end")
    assert len(events) == 80


def test_an_apply_that_dies_in_one_lane_leaves_no_end_in_the_journal(host):
    def dies():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Threads[Ended](2) as lanes:
        walk(host, lanes, step("a#1", dies), step("b#1", lambda: None))

    left = interrupted(host, ROOTS)
    assert left is not None
    assert left.under_way


def test_a_stop_lets_what_is_under_way_end_and_starts_nothing_else(host):
    stopping, together = Event(), Barrier(2, timeout=PATIENCE)

    def last():
        together.wait()
        stopping.set()

    steps = [step("a#1", last), step("b#1", last)]
    steps += [step(f"c{n}#1", lambda: None, "a#1") for n in range(9)]

    with Threads[Ended](2) as lanes:
        receipts = walk(host, lanes, *steps, stop=stopping.is_set)

    found = [receipt.outcome for receipt in receipts]
    assert (found.count(DONE), found.count(NOT_STARTED)) == (2, 9)


def test_a_closing_step_comes_after_all_that_it_makes_durable(host):
    seen: list[int] = []
    private = Access(0o700, 0, 0)
    made = [
        Step(f"d{n}#1", f"d{n}", Phase.KEYS, MakeDirectory(ROOTS.data / f"d{n}", private))
        for n in range(20)
    ]
    names = tuple(each.id for each in made)
    closing = Step(
        "sync#1",
        "sync",
        Phase.KEYS,
        Does(lambda: seen.append(len(host.names(ROOTS.data) or ()))),
        names,
        closing=True,
    )

    with Threads[Ended](4) as lanes:
        walk(host, lanes, *made, closing)

    assert seen == [21]
