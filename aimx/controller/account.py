"""What an apply came to: all of it, and as much as is remembered of it."""

from __future__ import annotations

from aimx.controller.review import Review
from desired.frozen import frozen
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt, Tally
from reconcilers.step import Phase


@frozen
class Applied:
    """What an apply came to."""

    review: Review
    receipts: tuple[Receipt, ...]  # The last one of each step.
    summary: Tally
    trouble: str = ""  # What is missing from the records of it.

    @property
    def swapped(self) -> bool:
        """Whether everybody runs on what it wrote by now."""
        swaps = {step.id for step in self.review.plan.steps if step.phase is Phase.COMMIT}
        return any(each.step in swaps and each.outcome is Outcome.DONE for each in self.receipts)


@frozen
class Account:
    """What an apply came to, as far as it is remembered: small, however large its plan was."""

    digest: str  # Of the manifest that was carried out.
    summary: Tally
    results: tuple[Receipt, ...]  # The worst of each resource; of many that are done not all.
    trouble: str = ""  # What is missing from the records of it.

    @property
    def reason(self) -> str:
        """Why it did not get to its end: what failed, and not what was skipped for it."""
        failed = [each for each in self.results if each.outcome is Outcome.FAILED]
        if not failed:
            return next((each.reason for each in self.results if each.reason), "stopped")
        others = f", the first of {len(failed):,} that failed" if failed[1:] else ""
        return f"{failed[0].address}{others}: {failed[0].reason}"


@frozen
class Errand:
    """What came of a plan that no manifest asks for."""

    plan: Plan
    receipts: tuple[Receipt, ...]
    summary: Tally
    trouble: str = ""
