"""Whether a plan, once applied, leaves nothing to do: tried in memory before anybody is asked."""

from __future__ import annotations

from desired.desired import Desired
from desired.frozen import frozen
from reconcilers.change import Change
from reconcilers.generations import leads_to
from reconcilers.host.host import Access, Reading, ReconcileError, StepError, UnseenError
from reconcilers.host.read_only import ReadOnly
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.roots import Roots
from reconcilers.step import Hands

# Steps. To take one in memory and to plan what it led to takes longer than to plan it.
_MOST = 1000


class UnsettledPlanError(ReconcileError):
    """A defect of ours: after the plan there would be another."""


@frozen
class _Nobody:
    """No engine hears of a prediction."""

    def prepare(self, config: bytes) -> None:
        pass

    def commit(self) -> None:
        pass

    def drop(self) -> None:
        pass


def check(made: Plan, desired: Desired, host: Reading, roots: Roots) -> None:
    """Raises `UnsettledPlanError` where the plan would not be the last one."""
    if not made.steps or len(made.steps) > _MOST:
        return
    left = remaining(made, desired, host, roots)
    if left:
        first = left[0]
        raise UnsettledPlanError(
            f"internal error: once this plan is applied, {first.address} would still be to"
            f" {first.action}, since {first.why}. Nothing was changed; please report it with the"
            " manifest."
        )


def remaining(made: Plan, desired: Desired, host: Reading, roots: Roots) -> tuple[Change, ...]:
    """What would still be done about what the plan changes, on the machine that it leads to.

    Raises `UnsettledPlanError` where a step of it cannot be taken at all.
    """
    from reconcilers.host.predicted import Predicted  # A large plan is not tried.

    predicted = Predicted(host)
    hands = Hands(predicted, _Nobody())
    for step in made.steps:
        try:
            if not step.operation.holds(hands):
                step.operation.take(hands)
        except UnseenError:
            return ()  # Nobody can look there, and the apply tells who is in its way.
        except StepError as cause:
            raise UnsettledPlanError(
                f"internal error: step {step.id} of this plan could not be taken: {cause}. Nothing"
                " was changed; please report it with the manifest."
            ) from cause
    user = host.user()
    record = roots.generations / str(leads_to(made))
    predicted.make_directory(record, Access(0o700, user.uid, user.gid))
    touched = {change.address for change in made.changes}
    return plan(desired, ReadOnly(predicted), roots, only=touched).pending
