"""The steps of a plan taken, as many at a time as suits, each told of while it happens."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from aimx.controller.terms import Begun, Watched
from reconcilers.apply import apply
from reconcilers.journal import Journal
from reconcilers.lanes import Lanes, OneLane
from reconcilers.plan import Plan
from reconcilers.receipt import Receipt, final
from reconcilers.step import Hands, Step


def taken(plan: Plan, hands: Hands, journal: Journal, watched: Watched) -> tuple[Receipt, ...]:
    """Carry out a plan under the lock; gives the last receipt of each step."""
    from reconcilers.host.threads import usual

    receipts, steps = [], len(plan.steps)

    def started(step: Step) -> None:
        does = str(step.operation)
        watched.started(Begun(step.id, step.address, step.phase.name.lower(), does))

    with _lanes(watched.parallelism or usual()) as lanes:
        for receipt in apply(plan, hands, journal, watched.stop, lanes, started):
            receipts.append(receipt)
            # A step that is taken back has a second receipt.
            watched.progress(receipt, min(len(receipts), steps), steps)
    return final(receipts)


def _lanes(number: int) -> AbstractContextManager[Lanes[Receipt]]:
    """One is no thread beside this one, so that each run makes the same calls in one order."""
    from reconcilers.host.threads import Threads

    return nullcontext(OneLane[Receipt]()) if number == 1 else Threads[Receipt](number)
