"""What a complete apply led to, kept for history and for a way back."""

from __future__ import annotations

from collections.abc import Sequence

from aimx.controller.recall import understood
from aimx.controller.review import Review
from desired.frozen import frozen, replace
from reconcilers import generations, intents
from reconcilers.generations import Rollback, Who, leads_to
from reconcilers.host.host import Host, ReconcileError
from reconcilers.intents import Pin
from reconcilers.receipt import Outcome, Receipt
from reconcilers.report.document import compact
from reconcilers.roots import Roots


@frozen
class Recorded:
    """How it went with the record."""

    missing: tuple[Receipt, ...] = ()  # That it could not be kept.
    trouble: str = ""  # Why older records than are wanted stay.


def recorded(
    host: Host, roots: Roots, review: Review, receipts: Sequence[Receipt], who: Who
) -> Recorded:
    """Keep it, and drop what is older than wanted.

    Without its record a generation is a difference, and the apply has not got to its end.
    """
    said = intents.load(host, roots, host.now()).pin
    pin = said if isinstance(said, Pin) else None
    try:
        _keep(host, roots, review, receipts, who, pin)
    except ReconcileError as cause:
        reason = f"generation {leads_to(review.plan)} could not be put on record: {cause}"
        return Recorded((Receipt("config#record", "config", Outcome.FAILED, reason),))
    try:
        keep = review.reading.desired.policy.keep_generations
        generations.discard(host, roots, keep, pin.generation if pin else None)
    except ReconcileError as cause:
        return Recorded(trouble=f"records that are older than wanted are still there: {cause}")
    return Recorded()


def _keep(
    host: Host,
    roots: Roots,
    review: Review,
    receipts: Sequence[Receipt],
    who: Who,
    pin: Pin | None,
) -> None:
    back = Rollback(pin.former, pin.generation, pin.reason, pin.until) if pin else None
    kept = generations.applied(
        host,
        roots,
        review.plan,
        receipts,
        document=compact(review.plan),
        sources=review.reading.desired.sources,
        who=who,
        rollback=back,
    )
    if back is None:  # What is pinned moves and removes otherwise than its manifest says.
        kept = replace(kept, understood=understood(review.reading, kept.config))
    generations.record(host, roots, kept)
