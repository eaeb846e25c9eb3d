"""One instance: its manifest read, its machine looked at, and the one way to change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from aimx.controller.pinned import Back, in_force, pinned
from aimx.controller.reader import Reader
from aimx.controller.sources import digest, gather
from aimx.controller.withheld import stricter, with_what_is_gone
from desired.desired import AutoApply, Desired
from desired.engine_config import header
from desired.manifest import Reading
from desired.problem import ManifestError, Source
from reconcilers import generations, intents
from reconcilers.applied import what_was_applied
from reconcilers.apply import apply
from reconcilers.consent import agreed
from reconcilers.fingerprint import plan_id
from reconcilers.foresight import check
from reconcilers.generations import Rollback, Who, leads_to
from reconcilers.host.host import Host, ReconcileError
from reconcilers.host.local import LocalHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.host.threads import Threads, usual
from reconcilers.intents import Damaged, Intents, Pin, Suspension
from reconcilers.journal import Journal, is_applied, position
from reconcilers.lanes import Lanes, OneLane
from reconcilers.locks import LockHeldError, apply_lock
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.receipt import Receipt, Tally, final
from reconcilers.report.document import written
from reconcilers.report.saved import SavedPlan, load
from reconcilers.roots import Roots
from reconcilers.step import Activation, Hands, Step


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
    # Nothing may go: it is planned for as if it were still declared.
    withheld: bool = False
    # Resources that wait for their next try, and why the last one failed.
    held: Mapping[str, str] = field(default_factory=dict)


# As many as there are: whoever consents has seen each.
EVERY = 10**9


@dataclass(frozen=True, slots=True)
class Watched:
    """Whether to go on, asked before each step, and whom to tell of each."""

    stop: Callable[[], bool] = lambda: False
    # What became of a step, which of how many it is.
    progress: Callable[[Receipt, int, int], None] = lambda receipt, number, steps: None
    started: Callable[[Step], None] = lambda step: None
    parallelism: int = 0  # How many steps at a time; 0: as suits the machine.


UNWATCHED = Watched()


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply came to."""

    review: Review
    receipts: tuple[Receipt, ...]  # The last one of each step.
    summary: Tally
    trouble: str = ""  # What is missing from the records of it.


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


@dataclass(frozen=True, slots=True)
class Instance:
    """The directories of one instance, and the machine behind them."""

    roots: Roots
    host: Host
    named: PurePosixPath  # The data directory as whoever started us named it.
    reader: Reader = field(default_factory=Reader, repr=False, compare=False)

    @classmethod
    def of(cls, roots: Roots) -> Instance:
        return cls(roots, LocalHost(roots), roots.data)

    def moved(self, desired: Desired) -> Instance:
        """The same instance, with its mail where a manifest of the older system says."""
        directory = desired.data_dir
        if directory is None:
            return self
        roots = replace(self.roots, data=PurePosixPath(directory))
        return Instance(roots, LocalHost(roots), self.named, self.reader)

    def sources(self) -> tuple[Source, ...]:
        """The manifest as it is now; raises `ManifestError`."""
        return gather(self.roots)

    def read(self, sources: tuple[Source, ...]) -> Reading:
        """What they desire; raises `ManifestError` with everything that is wrong."""
        return self.reader.read(sources, lambda name: self.host.account(name) is not None)

    @contextmanager
    def looking(self) -> Iterator[ReadOnly]:
        """The machine, to be looked at alone; raises `MachineError` where that cannot be."""
        try:
            yield ReadOnly(self.host)
        except MachineError:
            raise
        except ReconcileError as cause:
            raise MachineError(str(cause)) from cause

    def intents(self) -> Intents:
        """What is pinned or suspended now."""
        return intents.load(self.host, self.roots, self.host.now())

    def in_force(self, pin: Pin | None = None) -> Reading:
        """The manifest that goes: on disk, or of a generation that is pinned.

        Raises `ManifestError`, or `PinError` where it cannot be had.
        """
        said = pin or self.intents().pin
        if said is None:
            return self.read(self.sources())
        return in_force(said, self.host, self.roots, self.read)

    def back(self, back: Back) -> Pin:
        """The pin that would go back to a generation, nothing written; raises `PinError`."""
        try:
            manifest = digest(self.sources())
        except ManifestError:
            manifest = ""  # One that is broken is what somebody may go back from.
        return pinned(back, self.host, self.roots, self.read, manifest)

    def holds(self, pin: Pin) -> bool:
        """Whether this is what is pinned."""
        return self.intents().pin == pin

    def suspend(self, suspension: Suspension) -> None:
        """The controller applies nothing by itself until then; raises `MachineError`."""
        with self._writing():
            intents.keep_suspension(self.host, self.roots, suspension)

    def resume(self, who: Who) -> Intents:
        """Nothing is pinned or suspended any more; gives what was. Raises as `apply` does."""
        held = self.intents()
        if held.pin is None:
            with self._writing():
                intents.end(self.host, self.roots.suspension)
        else:
            with self._locked(who):  # An apply under way goes by the pin.
                intents.end(self.host, self.roots.pin, self.roots.suspension)
        return held

    def review(self, reading: Reading, consent: Consent) -> Review:
        """What it would change. The host that it looks at cannot be written to."""
        host, desired = ReadOnly(self.host), reading.desired
        if consent.withheld:
            world = what_was_applied(desired, host, self.roots)
            desired = with_what_is_gone(desired, world.applied, agreed(world))
        made = plan(desired, host, self.roots, allow_removals=consent.removals, held=consent.held)
        return Review(reading, made, plan_id(made))

    def automatic(self, desired: Desired) -> AutoApply:
        """What may be carried out unasked: under the manifest, and under what was applied."""
        applied = what_was_applied(desired, ReadOnly(self.host), self.roots).applied
        return stricter(desired, applied)

    def apply(
        self,
        expected: str | None,
        activation: Activation,
        who: Who,
        consent: Consent,
        watched: Watched,
        saved: SavedPlan | None = None,
        pin: Pin | None = None,
    ) -> Applied:
        """Carry out the plan of this id, or whatever the plan is now.

        `pin`: go by its generation from now on. It is written before anything else, so that
        whoever finishes a killed apply goes the same way, and taken back where the engine config
        is not written.

        Raises `ManifestError`, `LockHeldError`, `StaleError`, `SpentError` or `MachineError`, and
        then nothing was written.
        """
        with self._locked(who):
            if saved is not None and self._is_spent(saved):
                raise SpentError
            review = self.review(self.in_force(pin), consent)
            if expected is not None and review.id != expected:
                raise StaleError(review.plan)
            began = self.host.now()
            mark = saved.mark if saved else ""
            journal = Journal(self.host, self.roots, leads_to(review.plan), mark)
            with self._pinning(pin, review.plan):
                receipts = self._carried_out(review.plan, activation, journal, watched)
            trouble = journal.trouble
            seconds = (self.host.now() - began).total_seconds()
            summary = Tally.of(receipts, seconds, self._generation())
            if summary.is_complete and summary.generation:
                trouble = self._recorded(review, receipts, who, summary.generation) or trouble
        return Applied(review, receipts, summary, trouble)

    def run(
        self,
        planned: Callable[[], Plan],
        expected: str,
        activation: Activation,
        who: Who,
        watched: Watched,
    ) -> Errand:
        """Carry out a plan that no manifest asks for, if it is still the one of this id.

        Raises what `apply` raises, and whatever `planned` does; then nothing was written.
        """
        with self._locked(who):
            made = planned()
            if plan_id(made) != expected:
                raise StaleError(made)
            began = self.host.now()
            journal = Journal(self.host, self.roots, made.generation)
            receipts = self._carried_out(made, activation, journal, watched)
            seconds = (self.host.now() - began).total_seconds()
            summary = Tally.of(receipts, seconds, made.generation)
        return Errand(made, receipts, summary, journal.trouble)

    def foresee(self, review: Review) -> None:
        """Raises `UnsettledPlanError` where another plan would follow this one.

        Asked where somebody is shown a plan, and not where the daemon goes on by itself: a
        defect of ours shall not keep it from starting.
        """
        check(review.plan, review.reading.desired, self.host, self.roots)

    def position(self) -> str:
        """How far the journal is, for a plan that is to be saved."""
        return position(self.host, self.roots)

    def load(self, raw: bytes) -> SavedPlan:
        """A saved plan for this instance; raises `SavedPlanError`."""
        return load(raw, self.roots)

    def _is_spent(self, saved: SavedPlan) -> bool:
        return is_applied(self.host, self.roots, saved.mark, saved.generation)

    @contextmanager
    def _locked(self, who: Who) -> Iterator[None]:
        try:
            with apply_lock(self.host, self.roots, who.origin):
                yield
        except LockHeldError:
            raise
        except ReconcileError as cause:
            raise MachineError(str(cause)) from cause

    def _carried_out(
        self, plan: Plan, activation: Activation, journal: Journal, watched: Watched
    ) -> tuple[Receipt, ...]:
        receipts = []
        hands, steps = Hands(self.host, activation), len(plan.steps)
        with _lanes(watched.parallelism or usual()) as lanes:
            for receipt in apply(plan, hands, journal, watched.stop, lanes, watched.started):
                receipts.append(receipt)
                # A step that is taken back has a second receipt.
                watched.progress(receipt, min(len(receipts), steps), steps)
        return final(receipts)

    @contextmanager
    def _pinning(self, pin: Pin | None, plan: Plan) -> Iterator[None]:
        if pin is None or plan.refused:
            yield
            return
        before = self.intents().pin
        intents.keep_pin(self.host, self.roots, pin)
        yield
        if self._generation() >= leads_to(plan) or isinstance(before, Damaged):
            return
        if before is None:
            intents.end(self.host, self.roots.pin)
        else:
            intents.keep_pin(self.host, self.roots, before)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except ReconcileError as cause:
            raise MachineError(str(cause)) from cause

    def _generation(self) -> int:
        """What the machine is at, whatever became of the apply; 0 where nobody can tell."""
        try:
            head = header(self.host.read(self.roots.engine_config) or b"")
        except ReconcileError:
            return 0
        return 0 if head is None else head.generation

    def _recorded(
        self, review: Review, receipts: tuple[Receipt, ...], who: Who, number: int
    ) -> str:
        """Keep what a complete apply led to; gives why it could not be kept."""
        pin = self.intents().pin
        back = None
        if isinstance(pin, Pin):
            back = Rollback(pin.former, pin.generation, pin.reason, pin.until)
        try:
            kept = generations.applied(
                self.host,
                self.roots,
                review.plan,
                receipts,
                document=written(review.plan),
                sources=review.reading.desired.sources,
                who=who,
                rollback=back,
            )
            generations.record(self.host, self.roots, kept)
            keep = review.reading.desired.policy.keep_generations
            generations.discard(self.host, self.roots, keep, back.to if back else None)
        except ReconcileError as cause:
            return f"generation {number} is not on record: {cause}"
        return ""


def _lanes(number: int) -> AbstractContextManager[Lanes[Receipt]]:
    """One is no thread beside this one, so that each run makes the same calls in one order."""
    return nullcontext(OneLane[Receipt]()) if number == 1 else Threads[Receipt](number)
