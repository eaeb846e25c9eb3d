"""One line for each resource that is not as it should be, in two columns.

The first says whether the machine drifted since the last apply, the second what an apply would do.
"""

from __future__ import annotations

from dataclasses import dataclass

from desired.problem import printable
from reconcilers.plan import Plan
from reconcilers.report.view import UNSEEN_SYMBOL, symbol

_DRIFTED, _AS_LEFT = "#", "-"


@dataclass(frozen=True, slots=True)
class StatusRow:
    """How a resource stands."""

    drifted: bool
    symbol: str  # What an apply would do.
    address: str
    why: str

    def __str__(self) -> str:
        drift = _DRIFTED if self.drifted else _AS_LEFT
        return f"{drift}{self.symbol} {printable(self.address)}  {printable(self.why)}"


def status_rows(plan: Plan) -> tuple[StatusRow, ...]:
    """The resources that an apply would change, or that could not be looked at."""
    changes = (
        StatusRow(
            change.drifted,
            symbol(change),
            change.address,
            change.blocked.reason if change.blocked else change.why,
        )
        for change in plan.changes
    )
    unseen = (
        StatusRow(drifted=False, symbol=UNSEEN_SYMBOL, address=each.address, why=each.reason)
        for each in plan.unsettled
    )
    return (*changes, *unseen)
