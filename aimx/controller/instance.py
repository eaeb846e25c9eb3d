"""One instance: its manifest read, its machine looked at, and the one way to change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aimx.controller.account import Applied, Errand
from aimx.controller.pinning import Pinning, pinning
from aimx.controller.reader import Reader
from aimx.controller.recall import recalled
from aimx.controller.refusal import EditError, MachineError, SpentError, StaleError
from aimx.controller.review import Review
from aimx.controller.sources import gather
from aimx.controller.steps import taken
from aimx.controller.watched import Watched
from desired.desired import AutoApply, Desired
from desired.engine_config import header
from desired.frozen import field, frozen, replace
from desired.manifest import Reading
from desired.problem import ManifestError, Source, digest
from reconcilers import intents
from reconcilers.applied import last_applied, what_was_applied
from reconcilers.consent import Consent
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who, leads_to
from reconcilers.host.host import Host, ReconcileError
from reconcilers.host.local import LocalHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.intents import Intents, Pin
from reconcilers.journal import Journal, is_applied, position, unfinished
from reconcilers.locks import LockHeldError, apply_lock, daemon_lock
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.receipt import Tally
from reconcilers.renewing import NO_RENEWAL
from reconcilers.report.saved import SavedPlan, load
from reconcilers.roots import Roots
from reconcilers.state import GoneError, absence, require_ours, require_there
from reconcilers.step import Activation, Hands

if TYPE_CHECKING:
    from aimx.controller.amendments import Amendment
    from aimx.controller.editing import Proposal


@frozen
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

        def exists(name: str) -> bool:
            return self.host.account(name) is not None

        return self.reader.read(
            sources, exists, lambda: recalled(self.host, self.roots, sources, exists)
        )

    @contextmanager
    def looking(self) -> Iterator[ReadOnly]:
        """The machine, to be looked at alone; raises `MachineError` where that cannot be."""
        with _told():
            yield ReadOnly(self.host)

    def intents(self) -> Intents:
        """What is pinned or suspended now."""
        return intents.load(self.host, self.roots, self.host.now())

    def in_force(self, pin: Pin | None = None, intents: Intents | None = None) -> Reading:
        """The manifest that goes: on disk, or of a generation that is pinned.

        `intents`: what was pinned when the caller looked. Raises `ManifestError`, or `PinError`
        where it cannot be had.
        """
        said = pin or (intents or self.intents()).pin
        if said is None:
            return self.read(self.sources())
        from aimx.controller.pinned import in_force  # Hardly ever is one.

        return in_force(said, self.host, self.roots, self.read)

    def proposing(self, amendment: Amendment, consent: Consent) -> tuple[Proposal, Review]:
        """The manifest with it, and what that would change, nothing written.

        Raises `EditError` or `ManifestError`.
        """
        from aimx.controller.editing import proposal  # A plan edits nothing.
        from aimx.controller.edits.manifest import Manifest

        sources = self.sources()
        reading, applied = self.read(sources), last_applied(self.host, self.roots)[1]
        manifest = Manifest(sources, reading.desired, ReadOnly(self.host), self.roots, applied)
        proposed = proposal(amendment, manifest, self.read)
        if self.intents().pin is not None:
            raise EditError(
                "another manifest is pinned, and what is written now would not hold: `aimx resume`"
                f" lifts that. The lines to write:\n\n{proposed.patch}"
            )
        edits = proposed.edits
        agreed = replace(consent, named=edits.going, renewal=edits.renewal)
        review = self.review(proposed.reading, agreed)
        proposed.require_unhindered(review.plan)
        return proposed, review

    def review(self, reading: Reading, consent: Consent, only: Set[str] | None = None) -> Review:
        """What it would change. The host that it looks at cannot be written to.

        `only`: the addresses that are looked at, where the rest is known to be as it should be.
        """
        if consent.renewal != NO_RENEWAL:
            from aimx.controller.edits.keys import require_known  # Hardly any plan makes one.

            require_known(consent.renewal, reading.desired)
        with self.host.keeping() as host:
            made = plan(reading.desired, ReadOnly(host), self.roots, consent, only)
            return Review(reading, made, plan_id(made))

    def automatic(self, desired: Desired) -> AutoApply:
        """What may be carried out unasked: under the manifest, and under what was applied."""
        from reconcilers.withheld import stricter  # Whoever asks for an apply needs no leave.

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
        amendment: Amendment | None = None,
    ) -> Applied:
        """Carry out the plan of this id, or whatever the plan is now.

        `pin`: go by its generation from now on. It is written before anything else, so that
        whoever finishes a killed apply goes the same way, and taken back where the engine config
        is not written. `amendment`: the manifest says so first, and is written before anything
        else.

        Raises `ManifestError`, `LockHeldError`, `GoneError`, `StaleError`, `SpentError` or
        `MachineError`, and then nothing was written.
        """
        with self.locked(who, anew=consent.anew):
            if saved is not None and self._is_spent(saved):
                raise SpentError
            proposed = None
            if amendment:
                proposed, review = self.proposing(amendment, consent)
            else:
                review = self.review(self.in_force(pin), consent)
            if expected is not None and review.id != expected:
                raise StaleError(review.plan)
            hands = Hands(self.host, activation)
            if proposed and not proposed.written(review.plan, hands, self.roots):
                raise StaleError(review.plan)
            return self.carry_out(
                review, activation, who, watched, saved.mark if saved else "", pin
            )

    def carry_out(
        self,
        review: Review,
        activation: Activation,
        who: Who,
        watched: Watched,
        mark: str = "",
        pin: Pin | None = None,
    ) -> Applied:
        """Carry out what was seen under the lock, which is still held.

        `mark`: of the saved plan that it is.
        """
        began = self.host.now()
        journal = Journal(self.host, self.roots, leads_to(review.plan), mark)
        with self._pinning(pin, review.plan) as pinned_so:
            receipts = taken(review.plan, Hands(self.host, activation), journal, watched)
        trouble = pinned_so.trouble or journal.trouble
        seconds = (self.host.now() - began).total_seconds()
        summary = Tally.of(receipts, seconds, self._generation())
        if summary.is_complete and summary.generation:
            from aimx.controller.recorded import recorded  # A plan needs none of it.

            kept = recorded(self.host, self.roots, review, receipts, who)
            trouble = kept.trouble or trouble
            if kept.missing:
                receipts += kept.missing
                summary = Tally.of(receipts, seconds, summary.generation)
        return Applied(review, receipts, summary, trouble)

    def is_behind(self) -> bool:
        """Whether what was applied last was compiled from another manifest than there is now."""
        try:
            head = header(self.host.read(self.roots.engine_config) or b"")
            return head is not None and head.digest != digest(self.sources())
        except (ManifestError, ReconcileError):
            return False

    @contextmanager
    def locked(self, who: Who, *, anew: bool = False) -> Iterator[None]:
        """Nobody else applies meanwhile; raises `LockHeldError`, `GoneError` or `MachineError`."""
        with _told(), apply_lock(self.host, self.roots, who.origin, anew=anew):
            yield

    def absence(self) -> str:
        """Where the data directory is gone, and what to do; empty where it is there, or where
        nobody can tell."""
        try:
            return absence(self.host, self.roots)
        except ReconcileError:
            return ""

    def require_there(self) -> None:
        """Raises `GoneError` where the data directory is gone, or `MachineError`."""
        with _told():
            require_there(self.host, self.roots)

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
        with self.locked(who):
            made = planned()
            if plan_id(made) != expected:
                raise StaleError(made)
            began = self.host.now()
            journal = Journal(self.host, self.roots, made.generation)
            receipts = taken(made, Hands(self.host, activation), journal, watched)
            seconds = (self.host.now() - began).total_seconds()
            summary = Tally.of(receipts, seconds, made.generation)
        return Errand(made, receipts, summary, journal.trouble)

    def foresee(self, review: Review) -> None:
        """Raises `UnsettledPlanError` where another plan would follow this one.

        Asked where somebody is shown a plan, and not where the daemon goes on by itself: a
        defect of ours shall not keep it from starting.
        """
        if review.plan.steps:
            from reconcilers.foresight import check

            check(review.plan, review.reading.desired, self.host, self.roots)

    def position(self) -> str:
        """How far the journal is, for a plan that is to be saved."""
        return position(self.host, self.roots)

    def is_unfinished(self) -> bool:
        """Whether an apply may have left something unsynced."""
        return unfinished(self.host, self.roots)

    def load(self, raw: bytes) -> SavedPlan:
        """A saved plan for this instance; raises `SavedPlanError`."""
        return load(raw, self.roots)

    def _is_spent(self, saved: SavedPlan) -> bool:
        return is_applied(self.host, self.roots, saved.mark, saved.generation)

    @contextmanager
    def unserved(self, who: Who) -> Iterator[None]:
        """No daemon serves it, nor starts to; raises `LockHeldError` or `MachineError`."""
        with _told(), daemon_lock(self.host, self.roots, who.origin):
            yield

    def _pinning(self, pin: Pin | None, plan: Plan) -> AbstractContextManager[Pinning]:
        asked = None if plan.refused else pin
        return pinning(self.host, self.roots, asked, lambda: self._generation() >= leads_to(plan))

    def check_ours(self) -> None:
        """Raises `MachineError` where it is another user's."""
        with self.ours():
            return

    @contextmanager
    def ours(self) -> Iterator[None]:
        """To be written to; raises `MachineError` where it is another user's, or that fails."""
        with _told():
            require_ours(self.host, self.roots)
            yield

    def _generation(self) -> int:
        """What the machine is at, whatever became of the apply; 0 where nobody can tell."""
        try:
            head = header(self.host.read(self.roots.engine_config) or b"")
        except ReconcileError:
            return 0
        return 0 if head is None else head.generation


@contextmanager
def _told() -> Iterator[None]:
    """What keeps anybody from the machine is a `MachineError`, but for somebody else at it, and
    for a disk that is away."""
    try:
        yield
    except (LockHeldError, GoneError, MachineError):
        raise
    except ReconcileError as cause:
        raise MachineError(str(cause)) from cause
