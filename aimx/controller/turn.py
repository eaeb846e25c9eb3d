"""What the controller does by itself: a look, and an apply of what may be applied unasked.

All of it is decided in one place and from one look. Where something is to be applied that is one
under the lock, so that nothing goes of which nobody could know when it was let go.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Literal, TypeAlias

from aimx.controller.account import Account
from aimx.controller.findings import Findings, invalid, pending, settled, valid, waiting
from aimx.controller.results import account
from aimx.controller.review import Review
from aimx.controller.workplace import Workplace
from desired.desired import AutoApply
from desired.frozen import frozen, replace
from desired.manifest import Reading
from desired.problem import ManifestError, digest
from reconcilers.consent import EVERY, Consent
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.intents import Intents, Pin
from reconcilers.locks import LockHeldError
from reconcilers.overdue import Overdue, overdue
from reconcilers.safety import removes
from reconcilers.state import GoneError

# Whether an apply was begun and not ended, or none was begun, since somebody else's runs, since
# the data directory is gone, perhaps with its disk, or since the machine lets nobody.
Hindrance: TypeAlias = Literal["ApplyFailed", "LockHeld", "DataGone", "CannotApply"]


@frozen
class Turned:
    """What came of it."""

    findings: Findings
    attempted: str = ""  # The digest of the manifest in force; empty: there is none.
    resync: float = 0.0  # In how many seconds to look again, though nothing changes.
    debounce: float | None = None  # How many seconds a burst of edits may last; None: as before.
    account: Account | None = None  # Of the apply, where there was one.
    failure: str = ""  # Why it did not get to its end.
    hindrance: Hindrance = "ApplyFailed"  # What sort of failure that is, where there is one.
    refused: str = ""  # Why the engine does not run on what it could run on.
    complaints: tuple[str, ...] = ()  # What is wrong with the manifest on disk: its errors.
    aged: tuple[Overdue, ...] = ()  # Keys that another should take over from.
    stale: bool = False  # The sources were other ones by then; nothing was done.
    is_whole: bool = False  # Nothing is left to do, or waits.


@frozen
class Turn:
    """Look at the manifest and at the machine, and do what may be done."""

    who: Who
    manifest: str  # The digest of the sources as they were just now; empty: there are none.
    held: Mapping[str, str]  # What waits for its next try, by address, and why its last one failed.
    likely: bool = False  # The manifest is another, so that something is to be applied.
    doubtful: bool = False  # Whoever did the last one was killed, perhaps within an apply.

    def done(self, at: Workplace) -> Turned:
        turned = self._done(at)
        if at.memory is not None and not turned.is_whole:
            at.memory.forget()
        return turned

    def _done(self, at: Workplace) -> Turned:
        intents = at.instance.intents()
        turned = self._understood(at, intents)
        if turned.stale:
            return turned
        try:
            if gone := at.instance.absence():
                # The engine learns that the mailboxes are away: their mail is put off at once.
                refused = at.engine.refresh()
                return replace(turned, failure=gone, hindrance="DataGone", refused=refused)
            if turned.complaints and not isinstance(intents.pin, Pin):
                # The last good generation goes on, with the certificate as it is by now.
                return replace(turned, refused=at.engine.refresh())
            return self._converged(at, turned, intents)
        except ManifestError:
            return _STALE
        except LockHeldError as cause:
            return replace(turned, failure=str(cause), hindrance="LockHeld")
        except GoneError as cause:
            return replace(turned, failure=str(cause), hindrance="DataGone")
        except ReconcileError as cause:
            return replace(turned, failure=str(cause), hindrance="CannotApply")

    def _understood(self, at: Workplace, intents: Intents) -> Turned:
        """What the manifest on disk is, whether it is in force or not."""
        try:
            sources = at.instance.sources()
        except ManifestError as cause:
            return _STALE if self.manifest else _complaining(cause, intents)
        if digest(sources) != self.manifest:
            return _STALE
        try:
            return Turned(valid(at.instance.read(sources)))
        except ManifestError as cause:
            return _complaining(cause, intents)

    def _converged(self, at: Workplace, turned: Turned, intents: Intents) -> Turned:
        """Look but once, under the lock, where something will have to be done under it."""
        if not self.likely or intents.suspension is not None:
            found = self._decided(at, turned, intents, may_apply=False)
            if found is not None:
                return found
        with at.instance.locked(self.who):
            found = self._decided(at, turned, at.instance.intents(), may_apply=True)
        assert found is not None
        return found

    def _decided(
        self, at: Workplace, turned: Turned, intents: Intents, *, may_apply: bool
    ) -> Turned | None:
        """What is, or has been, done about the manifest in force.

        None where something is to be applied, which is not to be done now.
        """
        reading = at.instance.in_force(intents=intents)
        desired = reading.desired
        if intents.pin is None and digest(desired.sources) != self.manifest:
            return _STALE
        aged = overdue(desired, at.instance.host, at.instance.roots)
        turned = replace(
            turned,
            attempted=desired.digest,
            resync=desired.controller.resync.total_seconds(),
            debounce=desired.controller.debounce.total_seconds(),
            aged=aged,
        )
        look = self._look(at, reading, intents)
        if intents.suspension is not None or look.automatic == "none":
            return _put_off(at, turned, look)
        allowed = self._allowed(at, look)
        if not self._is_due(at, reading, allowed):
            return _settled(at, turned, look, allowed, at.engine.refresh())
        if not may_apply:
            return None
        turned, refused = self._applied(at, turned, allowed)
        if turned.failure:
            return replace(turned, refused=refused)
        return _settled(at, turned, look, allowed, refused)

    def _look(self, at: Workplace, reading: Reading, intents: Intents) -> _Look:
        only = self._looked_at(at, reading, intents)
        whole = at.instance.review(reading, Consent(EVERY, held=self.held), only)
        automatic = at.instance.automatic(reading.desired)
        removing = any(map(removes, whole.plan.changes))
        return _Look(reading, intents, only, whole, automatic, removing)

    def _allowed(self, at: Workplace, look: _Look) -> Review:
        """As much of it as may be applied unasked."""
        drifted = _only_reported(look.reading, look.whole)
        if not look.removing and not drifted:
            return look.whole
        kept = look.removing and look.automatic == "safe"
        removals = 0 if look.removing else EVERY
        consent = Consent(removals, withheld=kept, held=self.held, reported=drifted)
        return at.instance.review(look.reading, consent, look.only)

    def _looked_at(self, at: Workplace, reading: Reading, intents: Intents) -> Set[str] | None:
        """What an edit changed, where all else is remembered as it should be; else all."""
        if at.memory is None:
            return None
        if not self.likely or self.doubtful or self.held or intents.pin is not None:
            at.memory.forget()
        return at.memory.recalled(reading.desired)

    def _is_due(self, at: Workplace, reading: Reading, allowed: Review) -> bool:
        """Whether to apply; with nothing to do also to see to it that what was done is on disk."""
        if self.doubtful and not allowed.plan.refused and at.instance.is_unfinished():
            return True
        return _is_due(reading, allowed)

    def _applied(self, at: Workplace, turned: Turned, allowed: Review) -> tuple[Turned, str]:
        applied = at.instance.carry_out(allowed, at.engine, self.who, at.watched)
        told = account(applied)
        refused = "" if applied.swapped else at.engine.refresh()
        failure = "" if told.summary.is_complete else told.reason
        return replace(turned, account=told, failure=failure), refused


@frozen
class _Look:
    """What all of the manifest in force would change."""

    reading: Reading
    intents: Intents
    only: Set[str] | None  # The addresses that were looked at; None: every one.
    whole: Review
    automatic: AutoApply
    removing: bool  # Something would go.


_STALE = Turned(Findings(), stale=True)


def _complaining(cause: ManifestError, intents: Intents) -> Turned:
    findings = invalid(cause, pinned=isinstance(intents.pin, Pin))
    return Turned(findings, complaints=tuple(map(str, cause.errors)))


def _put_off(at: Workplace, turned: Turned, look: _Look) -> Turned:
    """Nothing is applied by itself now."""
    refused = at.engine.refresh()
    asks = look.automatic == "none" or look.removing
    findings = pending(look.whole).then(_asked(at, look.reading if asks else None))
    return _found(turned, findings, refused=refused)


def _settled(at: Workplace, turned: Turned, look: _Look, allowed: Review, refused: str) -> Turned:
    """All that may be applied unasked is, now or since before."""
    applied, waits = turned.account, look.removing and look.whole.id != allowed.id
    generation = applied.summary.generation if applied else allowed.plan.generation
    findings = settled(allowed, generation=generation, applied=applied is not None, waits=waits)
    findings = findings.then(_asked(at, look.reading if waits else None))
    left = allowed.plan.unsettled or allowed.plan.blocked or waits or refused
    turned = replace(turned, is_whole=not left and look.intents.pin is None)
    if at.memory is not None and turned.is_whole:
        at.memory.settled(look.reading.desired)
    return _found(turned, findings, refused=refused)


def _found(turned: Turned, findings: Findings, *, refused: str) -> Turned:
    return replace(turned, findings=turned.findings.then(findings), refused=refused)


def _asked(at: Workplace, reading: Reading | None) -> Findings:
    """The plan that somebody may approve: all that is left, and all of it tried."""
    return waiting(at.instance.review(reading, Consent(EVERY)) if reading is not None else None)


def _is_due(reading: Reading, allowed: Review) -> bool:
    """Whether to apply: not where a rule refuses, or drift alone is only to be reported."""
    pending = allowed.plan.pending
    if allowed.plan.refused or not pending:
        return False
    reported = reading.desired.policy.drift == "report"
    return not (reported and all(change.drifted for change in pending))


def _only_reported(reading: Reading, whole: Review) -> Set[str]:
    """Drift that no apply repairs by itself, where something else is to be done.

    The engine config holds what is wanted too, and is written with it.
    """
    pending = whole.plan.pending
    if reading.desired.policy.drift != "report" or all(change.drifted for change in pending):
        return frozenset()
    return {each.address for each in pending if each.drifted and each.kind != "config"}
