"""One line for each resource that is not as it should be, in two columns.

The first says whether the machine drifted since the last apply, the second what an apply would do.
"""

from __future__ import annotations

from collections.abc import Iterable

from desired.frozen import frozen
from reconcilers.overdue import Overdue
from reconcilers.plan import Plan
from reconcilers.report.view import UNSEEN_SYMBOL, symbol


@frozen
class StatusRow:
    """How a resource stands."""

    drifted: bool
    symbol: str  # What an apply would do; empty where it is as it should be.
    address: str
    why: str


def status_rows(
    plan: Plan, every: Iterable[str] = (), aged: Iterable[Overdue] = ()
) -> tuple[StatusRow, ...]:
    """The resources that an apply would change, that could not be looked at, that are missing, or
    that have grown too old.

    With the addresses of all there are, those that are as they should be come last.
    """
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
    lacking = (
        StatusRow(drifted=False, symbol="", address=each.address, why=each.reason)
        for each in plan.lacking
    )
    told = [*changes, *unseen, *lacking]
    known = {row.address for row in told}
    told += (
        StatusRow(drifted=False, symbol="", address=each.address, why=str(each))
        for each in aged
        if each.address not in known
    )
    known |= {row.address for row in told}
    settled = (
        StatusRow(drifted=False, symbol="", address=address, why="")
        for address in every
        if address not in known
    )
    return (*told, *settled)
