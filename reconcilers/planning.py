"""From what is desired and what is seen to a plan; nothing here changes the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from desired.desired import Desired
from reconcilers.applied import what_was_applied
from reconcilers.change import Blocked, Change
from reconcilers.difference import Difference, Surplus, diff
from reconcilers.fingerprint import fingerprint
from reconcilers.host.host import Reading, UnseenError
from reconcilers.kinds.table import RECONCILERS
from reconcilers.operations import WriteFile
from reconcilers.ordering import Work, order
from reconcilers.plan import Plan, Unsettled
from reconcilers.reconciler import Reconciler, World
from reconcilers.roots import Roots
from reconcilers.safety import Verdict, judge

# Where these are blocked, nobody can tell what the rest would mean.
_FOUNDATION = "layout"
# Places are for readers, take longer than the plan, and nobody reads a report of thousands.
_PLACED = 500


@dataclass(frozen=True, slots=True)
class _Intent:
    """A change, and what it was planned from."""

    reconciler: Reconciler[Any]
    difference: Difference[Any]
    change: Change


@dataclass(frozen=True, slots=True)
class _Settled:
    """A kind that was looked at."""

    intents: tuple[_Intent, ...]
    unchanged: int


def plan(desired: Desired, host: Reading, roots: Roots, *, allow_removals: int = 0) -> Plan:
    """What an apply would do now; the same inputs give an equal plan."""
    world = what_was_applied(desired, host, roots)
    settled: list[_Settled] = []
    unsettled: list[Unsettled] = []
    for reconciler in RECONCILERS:
        try:
            settled.append(_settle(reconciler, world))
        except UnseenError as cause:
            unsettled.append(Unsettled(reconciler.kind, str(cause)))
        if _is_without_foundation(settled, unsettled):
            break
    intents = [intent for kind in settled for intent in kind.intents]
    verdict = _verdict(intents, unsettled, world, allow_removals)
    intents = _held_back(intents, verdict.blocked, unsettled)
    if len(intents) <= _PLACED:
        intents = [_placed(intent, world) for intent in intents]
    work = [] if verdict.refused else list(_work(intents, world))
    config = _config(work)
    return Plan(
        generation=world.generation,
        desired_digest=desired.digest,
        changes=tuple(intent.change for intent in intents),
        steps=order(work, config or _running(world)),
        unchanged=sum(kind.unchanged for kind in settled),
        config=config,
        unsettled=tuple(unsettled),
        refused=verdict.refused,
    )


def _settle(reconciler: Reconciler[Any], world: World) -> _Settled:
    """How a kind differs, and what to do about it."""
    desired = reconciler.desired(world)
    intents = []
    unchanged = len(desired)
    for difference in diff(desired, reconciler.observe(world)):
        change = reconciler.change(difference, world)
        if change is None:
            continue
        unchanged -= not isinstance(difference, Surplus)
        change = replace(change, fingerprint=change.fingerprint or fingerprint(difference))
        intents.append(_Intent(reconciler, difference, change))
    return _Settled(tuple(intents), unchanged)


def _is_without_foundation(settled: Sequence[_Settled], unsettled: Sequence[Unsettled]) -> bool:
    """What is installed here is not understood, or could not be looked at."""
    return any(each.address == _FOUNDATION for each in unsettled) or any(
        intent.change.kind == _FOUNDATION and intent.change.blocked
        for kind in settled
        for intent in kind.intents
    )


def _verdict(
    intents: Sequence[_Intent], unsettled: Sequence[Unsettled], world: World, allow_removals: int
) -> Verdict:
    for intent in intents:
        if intent.change.kind == _FOUNDATION and intent.change.blocked:
            return Verdict({}, intent.change.blocked)
    for each in unsettled:
        if each.address == _FOUNDATION:
            remedy = "make it readable, then apply again"
            return Verdict({}, Blocked("layout-unseen", each.reason, remedy))
    return judge([intent.change for intent in intents], world, allow_removals)


def _held_back(
    intents: Sequence[_Intent], refused: Mapping[str, Blocked], unsettled: Sequence[Unsettled]
) -> list[_Intent]:
    """The intents, with those blocked that safety refuses, or that need one that is blocked."""
    stopped = {each.address: "which could not be looked at" for each in unsettled}
    judged = []
    for intent in intents:
        change = intent.change
        blocked = change.blocked or refused.get(change.address) or _stopped(change, stopped)
        if blocked:
            stopped[change.address] = "which is blocked"
        judged.append(replace(intent, change=replace(change, blocked=blocked)))
    return judged


def _stopped(change: Change, stopped: Mapping[str, str]) -> Blocked | None:
    for address in change.needs:
        reason = stopped.get(address) or stopped.get(address.partition("/")[0])
        if reason:
            remedy = f"see what is said of {address}"
            return Blocked("needs-another", f"it needs {address}, {reason}", remedy)
    return None


def _placed(intent: _Intent, world: World) -> _Intent:
    """The intent, with the line of the manifest that asks for it."""
    if isinstance(intent.difference, Surplus):
        return intent
    keys = intent.reconciler.asked_by(intent.difference.name, world)
    where = world.desired.where(*keys) if keys else None
    return replace(intent, change=replace(intent.change, where=where))


def _work(intents: Sequence[_Intent], world: World) -> Iterator[Work]:
    for intent in intents:
        if intent.change.blocked is None:
            deeds = tuple(intent.reconciler.steps(intent.difference, world))
            yield Work(intent.change, deeds, intent.reconciler.activates)


def _config(work: Sequence[Work]) -> bytes | None:
    """The engine config that will be written."""
    for each in work:
        if each.change.kind == "config":
            for _, operation in each.deeds:
                if isinstance(operation, WriteFile):
                    return operation.content
    return None


def _running(world: World) -> bytes | None:
    """The engine config that stays."""
    try:
        return world.host.read(world.roots.engine_config)
    except UnseenError:
        return None
