"""What came of a wish, as whoever asked wants to read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from aimx.controller.pinned import PinError
from aimx.controller.terms import Applied, MachineError, Review, SpentError, StaleError
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer, Wish
from desired.manifest import Reading
from desired.problem import ManifestError, Problem, render_problem
from reconcilers.fingerprint import plan_id
from reconcilers.foresight import UnsettledPlanError
from reconcilers.locks import LockHeldError
from reconcilers.plan import Plan
from reconcilers.report.document import written
from reconcilers.report.markdown import plan_markdown
from reconcilers.report.printable import wrapped
from reconcilers.report.progress import apply_text
from reconcilers.report.saved import SavedPlan, SavedPlanError, saved
from reconcilers.report.staleness import Stale, staleness
from reconcilers.report.status import status_rows
from reconcilers.report.text import plan_text
from reconcilers.roots import Roots
from reconcilers.safety import removes


class OutdatedError(Exception):
    """A saved plan is not what an apply would do now."""

    def __init__(self, reasons: tuple[Stale, ...]) -> None:
        super().__init__("the saved plan does not fit any more")
        self.reasons = reasons


def planned(
    review: Review, wish: Wish, roots: Roots, position: str, *, interrupted: bool = False
) -> Answer:
    """A plan as it was asked for; `position` is how far the journal was."""
    plan = review.plan
    # What is refused as a whole can never be applied, so nobody needs to keep it.
    kept = wish.out and not plan.refused
    content = saved(plan, roots, position, wish.allow_removals).decode() if kept else ""
    if wish.view == "json":
        output = written(plan).decode()
    elif wish.view == "markdown":
        output = plan_markdown(plan, saved=wish.out)
    else:
        warnings = [render_problem(problem) for problem in review.reading.warnings]
        told = plan_text(
            plan,
            columns=wish.columns,
            colour=wish.color,
            advised=wish.advised,
            saved=wish.out,
        )
        output = "\n\n".join([*warnings, told])
    blocked = len(plan.blocked) + len(plan.unsettled)
    return Answer(
        exit=Exit.REFUSED if plan.refused else Exit.DONE,
        output=output,
        plan_id=review.id,
        pending=0 if plan.refused else len(plan.pending),
        blocked=blocked,
        removals=0 if plan.refused else sum(map(removes, plan.pending)),
        interrupted=interrupted,
        saved=content,
        generation=plan.generation,
    )


def applied(done: Applied, wish: Wish) -> Answer:
    """How an apply ended, as it was asked for. What is blocked is a part that is not applied."""
    plan = done.review.plan
    whole = done.summary.is_complete and not plan.blocked and not plan.unsettled
    if wish.view == "json":
        output = json.dumps(
            {
                "format": "aimx.apply",
                "format_version": "1.0",
                "plan_id": done.review.id,
                "receipts": [asdict(receipt) for receipt in done.receipts],
                **asdict(done.summary),
            },
            indent=2,
        )
    else:
        output = apply_text(done.receipts, done.summary, columns=wish.columns)
        output += f"{done.trouble}\n" if done.trouble else ""
    code, generation = Exit.DONE if whole else Exit.PARTIAL, done.summary.generation
    return Answer(exit=code, output=output, generation=generation)


@contextmanager
def answering(wish: Wish) -> Iterator[list[Answer]]:
    """What keeps a wish from being carried out is an answer, too."""
    answers: list[Answer] = []
    try:
        yield answers
    except ManifestError as cause:
        answers.append(invalid(cause, wish.view))
    except LockHeldError as cause:
        answers.append(Answer(Exit.LOCKED, str(cause)))
    except StaleError as cause:
        answers.append(Answer(Exit.STALE, _stale(cause)))
    except OutdatedError as cause:
        answers.append(Answer(Exit.STALE, outdated(cause.reasons, wish)))
    except SpentError:
        answers.append(Answer(Exit.STALE, _SPENT))
    except SavedPlanError as cause:
        answers.append(Answer(Exit.ERROR, f"The plan cannot be applied: {cause}"))
    except (MachineError, PinError, UnsettledPlanError) as cause:
        answers.append(Answer(Exit.ERROR, str(cause)))


@contextmanager
def against(saved: SavedPlan) -> Iterator[None]:
    """Where the plan is another one now, it is told of what in the saved one."""
    try:
        yield
    except StaleError as cause:
        raise OutdatedError(staleness(saved, cause.plan)) from cause


_SPENT = (
    "Nothing was applied: this saved plan was applied before, and each is applied once. If that"
    " apply did not get to its end, `aimx plan` shows what is left."
)


def outdated(reasons: tuple[Stale, ...], wish: Wish) -> str:
    """Each resource that is not as it was when the plan was saved."""
    told = [line for each in reasons for line in wrapped(str(each), wish.columns, "      ", "  ")]
    first = "Nothing was applied: the saved plan does not fit any more."
    return "\n".join([first, *told, "Run `aimx plan --out FILE` again, and look at it."])


def _stale(cause: StaleError) -> str:
    return f"Nothing was applied: {cause}. Run `aimx plan` to see what it is now."


def invalid(cause: ManifestError, view: str) -> Answer:
    if view == "json":
        return Answer(Exit.INVALID, _problems(cause.problems))
    shown = [render_problem(problem) for problem in cause.problems]
    errors = sum(problem.severity == "error" for problem in cause.problems)
    count = "1 error" if errors == 1 else f"{errors} errors"
    return Answer(Exit.INVALID, "\n\n".join([*shown, f"{count}; nothing was changed."]))


def valid(reading: Reading, view: str) -> Answer:
    if view == "json":
        return Answer(Exit.DONE, _problems(reading.warnings))
    desired = reading.desired
    shown = [render_problem(problem) for problem in reading.warnings]
    counted = f"domains: {len(desired.domains)}, mailboxes: {len(desired.mailboxes)}"
    return Answer(Exit.DONE, "\n\n".join([*shown, f"The manifest is valid ({counted})."]))


def _problems(problems: tuple[Problem, ...]) -> str:
    return json.dumps([asdict(problem) for problem in problems], indent=2)


def resources(plan: Plan, every: Iterable[str] = ()) -> dict[str, Any]:
    """How they stand, for a status: with all addresses, also those that are as they should be."""
    rows = [
        {
            "drift": "#" if row.drifted else "",
            "apply": row.symbol,
            "address": row.address,
            "why": row.why,
        }
        for row in status_rows(plan, every)
    ]
    return {"resources": rows, "unchanged": plan.unchanged, "plan_id": plan_id(plan)}
