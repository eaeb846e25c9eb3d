"""The steps of a plan taken, as many at a time as suits, each told of while it happens."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from aimx.controller.watched import UNWATCHED, Begun, Watched
from reconcilers.apply import Ended, apply, gains_by_lanes
from reconcilers.journal import Journal
from reconcilers.lanes import Lanes, OneLane
from reconcilers.plan import Plan
from reconcilers.receipt import Receipt, final
from reconcilers.step import Hands, Step


def taken(plan: Plan, hands: Hands, journal: Journal, watched: Watched) -> tuple[Receipt, ...]:
    """Carry out a plan under the lock; gives the last receipt of each step."""
    receipts, steps = [], len(plan.steps)

    def started(step: Step) -> None:
        if watched.started is UNWATCHED.started:
            return
        watched.started(Begun(step.id, step.address, step.phase.name.lower(), step.does))

    with _lanes(watched.parallelism if gains_by_lanes(plan) else 1) as lanes:
        for receipt in apply(plan, hands, journal, watched.stop, lanes, started):
            receipts.append(receipt)
            # A step that is taken back has a second receipt.
            watched.progress(receipt, min(len(receipts), steps), steps)
    return final(receipts)


def _lanes(number: int) -> AbstractContextManager[Lanes[Ended]]:
    """As many as suit, for 0. One is no thread beside this one, so that each run makes the same
    calls in one order."""
    if number == 1:
        return nullcontext(OneLane[Ended]())
    from reconcilers.host.threads import Threads, usual

    lanes = number or usual()
    return Threads[Ended](lanes) if lanes > 1 else nullcontext(OneLane[Ended]())
