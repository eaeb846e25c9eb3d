"""An apply told at its end: honestly, whatever happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from desired.problem import printable
from reconcilers.receipt import Outcome, Receipt, Tally, final
from reconcilers.report.printable import wrapped

_WORDS = {
    Outcome.DONE: "done",
    Outcome.FAILED: "FAILED",
    Outcome.SKIPPED: "skipped",
    Outcome.NOT_STARTED: "not started",
}


def apply_text(receipts: Iterable[Receipt], tally: Tally, *, columns: int = 80) -> str:
    """How an apply ended: what is not done and why, the line that counts, and what to do now."""
    lines: list[str] = []
    ended = final(receipts)
    if not tally.is_complete:
        lines += _undone(ended, columns)
    lines.append(summary(ended, tally))
    if not tally.is_complete:
        lines += wrapped(_what_now(tally), columns, "")
    return "\n".join(lines) + "\n"


def summary(receipts: Sequence[Receipt], tally: Tally) -> str:
    """The one line that says how it ended, in a form that does not change."""
    if tally.is_complete:
        return (
            f"Apply complete: {tally.done} done, 0 failed, 0 skipped in {tally.seconds:.1f}s."
            f" Generation {tally.generation}."
        )
    needed = sorted({r.reason for r in receipts if r.outcome is Outcome.SKIPPED and r.reason})
    why = f" ({printable('; '.join(needed))})" if needed else ""
    return (
        f"Apply INCOMPLETE: {tally.done} done, {tally.failed} failed, {tally.skipped} skipped{why},"
        f" {tally.not_started} not started"
    )


def _undone(receipts: Sequence[Receipt], columns: int) -> Iterator[str]:
    """Each resource that is not done, once for each reason; of one that failed only why."""
    undone = [r for r in receipts if r.outcome in (Outcome.FAILED, Outcome.SKIPPED)]
    failed = {receipt.address for receipt in undone if receipt.outcome is Outcome.FAILED}
    told = {
        f"{_WORDS[receipt.outcome]} {receipt.address}: {receipt.reason}"
        for receipt in undone
        if receipt.outcome is Outcome.FAILED or receipt.address not in failed
    }
    for line in sorted(told):
        yield from wrapped(line, columns, " " * 4, "  ")


def _what_now(tally: Tally) -> str:
    if tally.failed:
        return "Correct what failed, then run `aimx apply` again: what is done stays done."
    return "Run `aimx apply` again: what is done stays done."
