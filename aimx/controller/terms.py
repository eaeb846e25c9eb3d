"""What somebody may ask of an instance, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from desired.manifest import Reading
from reconcilers.host.host import ReconcileError
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt, Tally
from reconcilers.renewing import NO_RENEWAL, Renewal
from reconcilers.roots import Roots
from reconcilers.step import Phase
from reconcilers.unread import Inbox, Unread


@dataclass(frozen=True, slots=True)
class Review:
    """What the manifest says, and what that would change; nothing has been changed."""

    reading: Reading
    plan: Plan
    id: str


_SHORT = 16  # Hexadecimal digits: more than chance hits, and a person can type them.


def short(plan_id: str) -> str:
    """A plan's id as a person types it."""
    return plan_id.rpartition(":")[2][:_SHORT]


def is_meant(said: str, plan_id: str) -> bool:
    """Whether somebody who types this means this plan."""
    digits = said.rpartition(":")[2]
    return len(digits) >= _SHORT and plan_id.rpartition(":")[2].startswith(digits)


@dataclass(frozen=True, slots=True)
class Consent:
    """What may go of what is missing from the manifest, and what is not tried at all."""

    removals: int = 0  # How many more than the policy lets go unasked.
    purge: bool = False  # The mail of what goes is deleted, and not set aside.
    # Nothing may go: it is planned for as if it were still declared.
    withheld: bool = False
    named: Set[str] = frozenset()  # Resources that may go all the same: a command says so.
    renewal: Renewal = NO_RENEWAL  # Keys that somebody asks for.
    # Resources that wait for their next try, and why the last one failed.
    held: Mapping[str, str] = field(default_factory=dict)
    reported: Set[str] = frozenset()  # Drift that is told and not repaired.


# As many as there are: whoever consents has seen each.
EVERY = 10**9


@dataclass(frozen=True, slots=True)
class Begun:
    """A step that is taken now, as it is told."""

    step: str  # Its id.
    address: str
    phase: str
    does: str


@dataclass(frozen=True, slots=True)
class Watched:
    """Whether to go on, asked before each step, and whom to tell of each."""

    stop: Callable[[], bool] = lambda: False
    # What became of a step, which of how many it is.
    progress: Callable[[Receipt, int, int], None] = lambda receipt, number, steps: None
    started: Callable[[Begun], None] = lambda begun: None
    parallelism: int = 0  # How many steps at a time; 0: as suits the machine.


UNWATCHED = Watched()

# Counts unread messages, by the changes' addresses; what could not be counted is left out.
Count: TypeAlias = Callable[[Roots, Sequence[Inbox]], Mapping[str, Unread]]


def uncounted(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    """Nobody is there to count."""
    return {}


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Account:
    """What an apply came to, as far as it is remembered: small, however large its plan was."""

    digest: str  # Of the manifest that was carried out.
    summary: Tally
    results: tuple[Receipt, ...]  # The worst of each resource; of many that are done not all.
    trouble: str = ""  # What is missing from the records of it.

    @property
    def reason(self) -> str:
        """Why it did not get to its end."""
        return next((each.reason for each in self.results if each.reason), "stopped")


@dataclass(frozen=True, slots=True)
class Errand:
    """What came of a plan that no manifest asks for."""

    plan: Plan
    receipts: tuple[Receipt, ...]
    summary: Tally
    trouble: str = ""


class StaleError(Exception):
    """Something changed since the plan was made; nothing was written."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("the machine or the manifest changed since this plan was made")
        self.plan = plan  # What it is now.


class SpentError(Exception):
    """The saved plan was applied before; nothing was written."""


class MachineError(ReconcileError):
    """The machine lets nobody begin; nothing was written."""


class EditError(MachineError):
    """The manifest cannot be changed as somebody asked; it is as it was."""

    def __init__(self, told: str, code: str = "VALIDATION") -> None:
        super().__init__(told)
        self.code = code  # Which of the socket's says it.


class HinderedError(EditError):
    """What somebody asked for could be written down, and not be carried out; nothing was."""
