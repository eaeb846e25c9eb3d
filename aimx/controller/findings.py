"""What a look came to, as far as anybody is told: no plan and no manifest, however large both are.

Whoever looks makes them; whoever keeps the state of the instance takes them over as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from aimx.controller.conditions import Status, Type, listed
from aimx.controller.review import Review, short
from desired.frozen import frozen
from desired.manifest import Reading
from desired.problem import ManifestError, Problem, render_problem
from reconcilers.change import Change
from reconcilers.generations import leads_to

# Where all of what a message lists in part is told.
_LEFT = "`aimx status --all` lists"
_PLANNED = "`aimx plan` shows"


@frozen
class Finding:
    """How one condition is."""

    kind: Type
    status: Status
    reason: str = ""
    message: str = ""


@frozen
class Findings:
    """What is new about an instance; what is None stays as it was."""

    conditions: tuple[Finding, ...] = ()
    generation: int | None = None  # Of the engine config.
    desired_generation: int | None = None  # What the machine would be at with nothing left to do.
    pending_plan: str | None = None  # Which waits for somebody's approval; empty: none does.

    def then(self, later: Findings) -> Findings:
        """Both; the later one where they differ."""

        def last(first: int | None, second: int | None) -> int | None:
            return first if second is None else second

        return Findings(
            self.conditions + later.conditions,
            last(self.generation, later.generation),
            last(self.desired_generation, later.desired_generation),
            self.pending_plan if later.pending_plan is None else later.pending_plan,
        )


def valid(reading: Reading) -> Findings:
    """The manifest on disk can be understood."""
    reason = "Warnings" if reading.warnings else ""
    return Findings((Finding("ManifestValid", "True", reason, _problems(reading.warnings)),))


def invalid(cause: ManifestError, *, pinned: bool) -> Findings:
    """The manifest on disk cannot be understood; `pinned`: another one is in force."""
    told = Finding("ManifestValid", "False", "LastGoodGenerationKept", _problems(cause.problems))
    if pinned:
        return Findings((told,))
    return Findings((told, Finding("Converged", "False", "ManifestInvalid")))


def pending(review: Review) -> Findings:
    """What an apply would do has been looked at, and nothing more."""
    plan = review.plan
    converged = Finding("Converged", "True")
    if not plan.is_empty:
        converged = Finding("Converged", "False", "ChangesPending", "`aimx plan` shows them")
    return Findings((_drifted(plan.changes), converged), plan.generation, leads_to(plan))


def settled(done: Review, *, generation: int, applied: bool, waits: bool = False) -> Findings:
    """All that may be done is done; `waits`: the rest once somebody approves it.

    `generation`: what the machine is at by now.
    """
    plan = done.plan
    left = plan.blocked if applied else plan.changes
    reasons = [f"{change.address}: {_reason(change)}" for change in left]
    reasons += [f"{each.address}: {each.reason}" for each in plan.unsettled]
    converged = Finding("Converged", "True")
    if reasons:
        reported = not plan.unsettled and all(it.drifted and not it.blocked for it in left)
        kind = "DriftReported" if reported else "Blocked"
        converged = Finding("Converged", "False", kind, listed(reasons, _LEFT))
    elif waits:
        told = "what the manifest no longer declares waits for approval"
        converged = Finding("Converged", "False", "AwaitsApproval", told)
    desired = generation if applied else max(generation, leads_to(plan))
    return Findings((_drifted(left), converged), generation, desired)


def waiting(whole: Review | None) -> Findings:
    """A plan waits for somebody to approve it, or none does."""
    if whole is None or not whole.plan.pending:
        return Findings((Finding("PendingApproval", "False"),), pending_plan="")
    changes = [f"{change.action} {change.address}" for change in whole.plan.changes]
    how = f"`aimx approve {short(whole.id)}` applies:\n{listed(changes, _PLANNED)}"
    told = Finding("PendingApproval", "True", "RunApprove", how)
    return Findings((told,), desired_generation=leads_to(whole.plan), pending_plan=whole.id)


def _drifted(changes: tuple[Change, ...]) -> Finding:
    drifted = [change.address for change in changes if change.drifted]
    told = listed(drifted, "`aimx diff` shows")
    return Finding("Drifted", "True" if drifted else "False", "", told)


def _problems(problems: Sequence[Problem]) -> str:
    told = [render_problem(problem) for problem in problems]
    return listed(told, "`aimx validate` tells", "\n\n")


def _reason(change: Change) -> str:
    return change.why if change.blocked is None else change.blocked.reason
