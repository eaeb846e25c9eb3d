"""What a complete apply led to, kept for history and for a way back."""

from __future__ import annotations

from collections.abc import Sequence

from aimx.controller.recall import understood
from aimx.controller.review import Review
from desired.frozen import replace
from reconcilers import generations, intents
from reconcilers.generations import Rollback, Who, leads_to
from reconcilers.host.host import Host, ReconcileError
from reconcilers.intents import Pin
from reconcilers.receipt import Outcome, Receipt
from reconcilers.report.document import compact
from reconcilers.roots import Roots


def recorded(
    host: Host, roots: Roots, review: Review, receipts: Sequence[Receipt], who: Who
) -> tuple[Receipt, ...]:
    """Keep it; gives a receipt where that failed.

    Without its record a generation is a difference, and the apply has not got to its end.
    """
    try:
        pin = intents.load(host, roots, host.now()).pin
        back = None
        if isinstance(pin, Pin):
            back = Rollback(pin.former, pin.generation, pin.reason, pin.until)
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
    except ReconcileError as cause:
        reason = f"generation {leads_to(review.plan)} could not be put on record: {cause}"
        return (Receipt("config#record", "config", Outcome.FAILED, reason),)
    return ()


def thinned(host: Host, roots: Roots, review: Review) -> str:
    """Drop what is older than wanted; gives why some of it stays."""
    try:
        pin = intents.load(host, roots, host.now()).pin
        pinned = pin.generation if isinstance(pin, Pin) else None
        generations.discard(host, roots, review.reading.desired.policy.keep_generations, pinned)
    except ReconcileError as cause:
        return f"records that are older than wanted are still there: {cause}"
    return ""
