"""What came of a wish, as whoever asked wants to read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aimx.controller.account import Applied
from aimx.controller.refusal import (
    EditError,
    HinderedError,
    MachineError,
    PinError,
    SpentError,
    StaleError,
)
from aimx.controller.review import Review
from aimx.doors.exits import Exit
from aimx.doors.refusal import ALL_PROBLEMS, refused
from aimx.doors.wish import Answer, Wish
from desired.frozen import asdict, replace
from desired.manifest import Reading
from desired.problem import ManifestError, Problem, render_problems
from reconcilers.change import Action
from reconcilers.consent import Consent
from reconcilers.counted import counted
from reconcilers.fingerprint import plan_id
from reconcilers.foresight import UnsettledPlanError
from reconcilers.locks import LockHeldError
from reconcilers.plan import Plan
from reconcilers.renewing import Renewal
from reconcilers.report.document import written
from reconcilers.report.printable import wrapped
from reconcilers.report.progress import apply_text
from reconcilers.report.saved import SavedPlan, SavedPlanError, saved
from reconcilers.report.text import plan_text
from reconcilers.roots import Roots
from reconcilers.safety import removes
from reconcilers.state import GoneError

if TYPE_CHECKING:
    from reconcilers.overdue import Overdue
    from reconcilers.report.staleness import Stale


def consent(wish: Wish) -> Consent:
    """Whoever changes something in the manifest has not agreed to what else waits to go."""
    if wish.amendment:
        return Consent(withheld=True)
    asked = frozenset({wish.replace} if wish.replace else ())
    renewal = Renewal(replacing=asked)
    return Consent(wish.allow_removals, wish.purge, renewal=renewal, anew=True)


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
    content = ""
    if kept:
        made = saved(plan, roots, position, wish.allow_removals, purge=wish.purge)
        content = made.decode()
    if wish.view == "json":
        output = written(plan).decode()
    elif wish.view == "markdown":
        from reconcilers.report.markdown import plan_markdown

        output = plan_markdown(plan, saved=wish.out)
    else:
        told = plan_text(
            plan,
            columns=wish.columns,
            colour=wish.color,
            advised=wish.advised,
            saved=wish.out,
        )
        output = _below(_shown(review.reading.warnings, wish), told)
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
        typed=_typed(plan) if plan.purges else "",
    )


def _typed(plan: Plan) -> str:
    """What a person types who deletes the mail: whose it is, or how many mailboxes' it is."""
    gone = [each.address for each in plan.pending if each.action is Action.DELETE]
    return gone[0].partition("/")[2] if len(gone) == 1 else f"delete {len(gone)} mailboxes"


def applied(done: Applied, wish: Wish) -> Answer:
    """How an apply ended, as it was asked for. What is blocked is a part that is not applied."""
    plan = done.review.plan
    code = _ended(done)
    if wish.view == "json":
        output = json.dumps(
            {
                "format": "aimx.apply",
                "format_version": "1.0",
                "plan_id": done.review.id,
                "receipts": [asdict(receipt) for receipt in done.receipts],
                **asdict(done.summary),
                "blocked": list(_blocked(plan)),
                "trouble": done.trouble,
            },
            indent=2,
        )
    else:
        told = apply_text(done.receipts, done.summary, columns=wish.columns)
        told = "Nothing was applied: all of it is blocked.\n" if code == Exit.REFUSED else told
        held = [line for each in _blocked(plan) for line in _held_back(each, wish.columns)]
        output = told + "".join(f"{line}\n" for line in (*held, done.trouble) if line)
    summary = done.summary
    failed = summary.failed + summary.skipped + summary.not_started
    return Answer(exit=code, output=output, generation=summary.generation, failed=failed)


def _ended(done: Applied) -> Exit:
    plan = done.review.plan
    if not done.summary.is_complete:
        return Exit.PARTIAL
    if not plan.blocked and not plan.unsettled:
        return Exit.DONE
    return Exit.PARTIAL if plan.pending and not plan.refused else Exit.REFUSED


def _blocked(plan: Plan) -> Iterator[dict[str, str]]:
    """What was not tried: what a rule refuses, and what could not be looked at."""
    for change in plan.blocked:
        if change.blocked is not None:
            yield {"address": change.address, **asdict(change.blocked)}
    for each in plan.unsettled:
        yield {"address": each.address, "code": "unseen", "reason": each.reason, "remedy": ""}


def _held_back(each: Mapping[str, str], columns: int) -> Iterator[str]:
    remedy = f"; {each['remedy']}" if each["remedy"] else ""
    told = f"blocked {each['address']}: {each['reason']}{remedy}"
    yield from wrapped(told, columns, " " * 4, "  ")


@contextmanager
def answering(wish: Wish) -> Iterator[list[Answer]]:
    """What keeps a wish from being carried out is an answer, too."""
    answers: list[Answer] = []
    try:
        yield answers
    except ManifestError as cause:
        answers.append(invalid(cause, wish))
    except (LockHeldError, GoneError) as cause:
        code = Exit.LOCKED if isinstance(cause, LockHeldError) else Exit.REFUSED
        answers.append(refused(code, str(cause), wish.view))
    except StaleError as cause:
        answers.append(refused(Exit.STALE, _stale(cause), wish.view))
    except OutdatedError as cause:
        answers.append(outdated(cause.reasons, wish))
    except SpentError:
        answers.append(refused(Exit.STALE, _spent(wish), wish.view))
    except SavedPlanError as cause:
        told = f"{_named(wish)} cannot be applied: {cause}"
        answers.append(refused(Exit.ERROR, told, wish.view))
    except (MachineError, PinError, UnsettledPlanError) as cause:
        code = Exit.REFUSED if isinstance(cause, HinderedError) else Exit.ERROR
        answer = refused(code, str(cause), wish.view)
        said = cause.code if isinstance(cause, EditError) else ""
        answers.append(replace(answer, code=said))


@contextmanager
def against(saved: SavedPlan) -> Iterator[None]:
    """Where the plan is another one now, it is told of what in the saved one."""
    try:
        yield
    except StaleError as cause:
        from reconcilers.report.staleness import staleness  # Most plans are not saved.

        raise OutdatedError(staleness(saved, cause.plan)) from cause


def _named(wish: Wish) -> str:
    return f"the plan in {wish.out}" if wish.out else "the saved plan"


def _spent(wish: Wish) -> str:
    return (
        f"nothing was applied: {_named(wish)} was applied before, and each is applied once. If that"
        " apply did not get to its end, `aimx plan` shows what is left."
    )


def outdated(reasons: tuple[Stale, ...], wish: Wish) -> Answer:
    """Each resource that is not as it was when the plan was saved."""
    told = [line for each in reasons for line in wrapped(str(each), wish.columns, "      ", "  ")]
    first = f"nothing was applied: {_named(wish)} does not fit any more."
    again = f"Run `aimx plan --out {wish.out or 'FILE'}` again, and look at it."
    text = "\n".join([first, *told, again])
    resources = [(each.address, each.reason) for each in reasons]
    return refused(Exit.STALE, text, wish.view, resources)


def _stale(cause: StaleError) -> str:
    return f"nothing was applied: {cause}. Run `aimx plan` to see what it is now."


def invalid(cause: ManifestError, wish: Wish) -> Answer:
    if wish.view == "json":
        return Answer(Exit.INVALID, _problems(cause.problems))
    told = f"{counted(len(cause.errors), 'error')}; nothing was changed."
    return Answer(Exit.INVALID, _below(_shown(cause.problems, wish), told))


def valid(reading: Reading, wish: Wish) -> Answer:
    if wish.view == "json":
        return Answer(Exit.DONE, _problems(reading.warnings))
    desired = reading.desired
    size = f"domains: {len(desired.domains)}, mailboxes: {len(desired.mailboxes)}"
    told = f"The manifest is valid ({size})."
    return Answer(Exit.DONE, _below(_shown(reading.warnings, wish), told))


def _shown(problems: Sequence[Problem], wish: Wish) -> str:
    return render_problems(problems, wish.columns, elsewhere=ALL_PROBLEMS)


def _below(problems: str, told: str) -> str:
    return f"{problems}\n\n{told}" if problems else told


def _problems(problems: tuple[Problem, ...]) -> str:
    return json.dumps([asdict(problem) for problem in problems], indent=2)


def resources(
    plan: Plan, every: Iterable[str] = (), aged: Iterable[Overdue] = ()
) -> dict[str, Any]:
    """How they stand, for a status: with all addresses, also those that are as they should be."""
    from reconcilers.report.status import status_rows  # A plan has none.

    rows = [
        {
            "drift": "#" if row.drifted else "",
            "apply": row.symbol,
            "address": row.address,
            "why": row.why,
        }
        for row in status_rows(plan, every, aged)
    ]
    return {"resources": rows, "unchanged": plan.unchanged, "plan_id": plan_id(plan)}
