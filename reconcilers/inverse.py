"""The way back through generations: where the mail is now that an earlier one knew elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from desired.desired import Desired, Moved
from desired.names import Address


def inverse(generations: Sequence[Desired]) -> tuple[Moved, ...]:
    """What moves mail from the last of them to where the first had it, in a stable order.

    Only moves that were carried out count: a block stays in the manifest long after.
    """
    first = generations[0]
    now = {address: address for address in first.mailboxes}  # By the address it had at first.
    for before, after in pairwise(generations):
        renamed = _carried_out(before, after)
        found = ((former, renamed.get(address, address)) for former, address in now.items())
        now = {former: address for former, address in found if address in after.mailboxes}
    return tuple(
        Moved(Address.parse(address), Address.parse(former))
        for former, address in sorted(now.items())
        # An address that either knows as another mailbox is in use, and its mail stays.
        if former not in generations[-1].mailboxes and address not in first.mailboxes
    )


def _carried_out(before: Desired, after: Desired) -> dict[str, str]:
    return {
        str(moved.source): str(moved.target)
        for moved in after.moved
        if str(moved.source) in before.mailboxes
        and str(moved.source) not in after.mailboxes
        and str(moved.target) in after.mailboxes
        and str(moved.target) not in before.mailboxes
    }
