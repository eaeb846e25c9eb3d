"""What became of one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from desired.frozen import frozen


class Outcome(StrEnum):
    """The four things that can become of a step."""

    DONE = "done"  # Taken, and seen to hold.
    FAILED = "failed"
    SKIPPED = "skipped"  # Something that it depends on failed.
    NOT_STARTED = "not-started"  # The apply ended before its turn.


@frozen
class Receipt:
    """What became of one step; every step of a plan gets one."""

    step: str  # The step's id.
    address: str  # The resource that it belongs to.
    outcome: Outcome
    reason: str = ""  # Empty when done.


@frozen
class Tally:
    """How an apply ended, in the numbers of its report."""

    done: int
    failed: int
    skipped: int
    not_started: int
    seconds: float
    generation: int  # What the machine is at when it ended.

    @classmethod
    def of(cls, receipts: Iterable[Receipt], seconds: float, generation: int) -> Self:
        """Count steps, not receipts: a step's last one counts."""
        outcomes = Counter(receipt.outcome for receipt in final(receipts))
        return cls(
            outcomes[Outcome.DONE],
            outcomes[Outcome.FAILED],
            outcomes[Outcome.SKIPPED],
            outcomes[Outcome.NOT_STARTED],
            seconds,
            generation,
        )

    @property
    def is_complete(self) -> bool:
        return not (self.failed or self.skipped or self.not_started)


def final(receipts: Iterable[Receipt]) -> tuple[Receipt, ...]:
    """The last receipt of each step, in the order of their first.

    A step that was done gets another one when it turns out not to last: moved back, since what
    follows failed, or not durable, since its closing step failed.
    """
    return tuple({receipt.step: receipt for receipt in receipts}.values())
