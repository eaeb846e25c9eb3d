"""From what is desired and what is seen to a plan; nothing here changes the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from desired.desired import Desired
from desired.frozen import field, mutable, replace
from desired.names import Address
from reconcilers.applied import what_was_applied
from reconcilers.blocks import moving, removing, spent
from reconcilers.change import NOT_TAKEN, Action, Blocked, Change, Lacking
from reconcilers.consent import UNASKED, Consent, agreed, witness
from reconcilers.difference import Changed, Difference, Missing, Surplus, diff
from reconcilers.fingerprint import Alike, fingerprint
from reconcilers.host.host import Reading, UnseenError
from reconcilers.kinds.table import RECONCILERS
from reconcilers.lookalikes import lookalikes, told
from reconcilers.operations.files import RemoveFile, WriteFile
from reconcilers.ordering import Work, order
from reconcilers.plan import Plan, Unsettled
from reconcilers.reconciler import Keys, Reconciler, World
from reconcilers.roots import Roots
from reconcilers.safety import Verdict, judge, removes
from reconcilers.step import Phase

# Where it is blocked or unseen, nobody can tell what the rest would mean.
_FOUNDATION = "layout"
# Places are for readers, take longer than the plan, and nobody reads a report of thousands.
_PLACED = 500


def plan(
    desired: Desired,
    host: Reading,
    roots: Roots,
    consent: Consent = UNASKED,
    only: Set[str] | None = None,
) -> Plan:
    """What an apply would do now; the same inputs give an equal plan.

    `only`: what is looked at (`World.only`).
    """
    world = what_was_applied(desired, host, roots)
    if consent.withheld:
        from reconcilers.withheld import withheld  # A whole manifest withholds nothing.

        world = what_was_applied(withheld(desired, world, consent.named), host, roots)
    world = replace(world, purge=consent.purge, renewal=consent.renewal)
    if only is not None:
        world = replace(world, only=only | {f"mailbox/{name}" for name in moving(world)})
    survey = _survey(world)
    unfounded = survey.unfounded
    verdict = Verdict({}, unfounded) if unfounded else _judged(survey, world, consent)
    intents = _led_by_config(list(_held_back(survey, verdict, consent)))
    intents = _with_lookalikes(intents, world)
    work = [] if verdict.refused else _work(intents, world)
    config = _config(work)
    return Plan(
        generation=world.generation,
        desired_digest=desired.digest,
        changes=tuple(_placed(intents, world)),
        steps=order(work, config or _running(world)),
        unchanged=survey.unchanged,
        config=config,
        unsettled=tuple(survey.unsettled),
        refused=verdict.refused,
        notes=tuple(spent(world)),
        lacking=tuple(survey.lacking),
        purges=consent.purge and any(each.change.action is Action.DELETE for each in intents),
    )


@mutable
class _Survey:
    """What was seen of every kind, and what would be done about it."""

    intents: list[Work] = field(default_factory=list)
    unchanged: int = 0
    unsettled: list[Unsettled] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)

    def add(self, kind: _Survey) -> None:
        self.intents += kind.intents
        self.unchanged += kind.unchanged
        self.lacking += kind.lacking

    @property
    def changes(self) -> list[Change]:
        return [intent.change for intent in self.intents]

    @property
    def unfounded(self) -> Blocked | None:
        """Why nothing else can be planned."""
        for each in self.unsettled:
            if each.address == _FOUNDATION:
                remedy = "when it can be looked at, apply again"
                return Blocked("layout-unseen", each.reason.removesuffix("."), remedy)
        blocked = (change.blocked for change in self.changes if change.address == _FOUNDATION)
        return next(blocked, None)


def _survey(world: World) -> _Survey:
    survey = _Survey()
    for reconciler in RECONCILERS:
        try:
            survey.add(_settle(reconciler, world))
        except UnseenError as cause:
            survey.unsettled.append(Unsettled(reconciler.kind, str(cause)))
        if survey.unfounded:
            break
    return survey


def _settle(reconciler: Reconciler[Any], world: World) -> _Survey:
    """What is to be done about a kind, and how many of it are as they should be."""
    desired = reconciler.desired(world)
    found = _Survey(unchanged=len(desired))
    looked_at, observed = world.within(reconciler.kind, desired), reconciler.observe(world)
    alike = Alike(_compared, fingerprint)
    for difference in diff(looked_at, observed):
        change = reconciler.change(difference, world)
        if change is None:
            continue
        if isinstance(change, Lacking):
            found.lacking.append(change)
            found.unchanged -= 1
            continue
        # Where nothing was applied nothing was left that could have drifted since.
        drifted = change.drifted and world.generation > 0
        if change.fingerprint is NOT_TAKEN:
            change = replace(change, fingerprint=alike.of(difference), drifted=drifted)
        deeds = () if change.blocked else tuple(reconciler.steps(difference, world))
        gone, name = isinstance(difference, Surplus), difference.name
        keys = (_removed_by if gone else reconciler.asked_by)(name, world)
        found.intents.append(Work(change, deeds, reconciler.activates, keys))
        found.unchanged -= not gone
    return found


def _compared(difference: Difference[Any]) -> tuple[object, ...]:
    """All of a difference but whose it is."""
    match difference:
        case Missing(_, desired):
            return Missing, desired
        case Changed(_, desired, observed):
            return Changed, desired, observed
        case Surplus(_, observed):
            return Surplus, observed


def _removed_by(name: str, world: World) -> Keys:
    """Where the manifest names what goes; nowhere where it merely is no longer declared."""
    return ("removed", name) if removing(world, name) else ()


def _held_back(survey: _Survey, verdict: Verdict, consent: Consent) -> Iterator[Work]:
    """The intents, with those blocked that safety refuses, or that need one that is blocked."""
    stopped = {each.address: "which could not be looked at" for each in survey.unsettled}
    for intent in survey.intents:
        change = intent.change
        blocked = change.blocked or verdict.blocked.get(change.address)
        blocked = blocked or _only_reported(change, consent.reported)
        blocked = blocked or _backing_off(change, consent.held) or _stopped(change, stopped)
        if blocked:
            stopped[change.address] = "which is blocked"
            yield _changed(intent, replace(change, blocked=blocked))
        else:
            yield intent


def _led_by_config(intents: list[Work]) -> list[Work]:
    """Nothing moves or goes while the engine goes on with a config that knows it."""
    config = next((each.change for each in intents if _is_config(each)), None)
    if config is None or config.blocked is None:
        return intents
    waiting = Blocked(
        "needs-another",
        "the engine config that follows from it is blocked",
        "see what is said of config",
    )
    return [
        _changed(intent, replace(intent.change, blocked=waiting))
        if intent.change.blocked is None
        and (removes(intent.change) or intent.change.action is Action.MOVE)
        else intent
        for intent in intents
    ]


def _with_lookalikes(intents: list[Work], world: World) -> list[Work]:
    """The intents, those told of it that a `[[moved]]` block may have been forgotten for."""
    found = lookalikes([intent.change for intent in intents], world)
    return [_told(each, found.get(each.change.address)) for each in intents] if found else intents


def _told(intent: Work, target: Address | None) -> Work:
    if target is None:
        return intent
    change = intent.change
    return _changed(intent, replace(change, notes=(*change.notes, told(change, target))))


def _judged(survey: _Survey, world: World, consent: Consent) -> Verdict:
    return judge(survey.changes, world, consent.removals, agreed(world) | consent.named)


def _work(intents: Sequence[Work], world: World) -> list[Work]:
    """What is done for those that nothing blocks."""
    work = [each for each in intents if not each.change.blocked]
    return [_witnessed(each, work, world) if _is_config(each) else each for each in work]


def _witnessed(config: Work, work: Sequence[Work], world: World) -> Work:
    """The engine config's steps, between writing down what may go and forgetting that."""
    going = [each.change.address for each in work if removes(each.change)]
    first = ((Phase.KEYS, witness(world, going)),) if going and config.deeds else ()
    if not first and world.host.look(world.roots.consent) is None:
        return config
    deeds = (*first, *config.deeds, (Phase.MARKER, RemoveFile(world.roots.consent)))
    return replace(config, deeds=deeds, activates=config.activates and bool(config.deeds))


def _only_reported(change: Change, reported: Set[str]) -> Blocked | None:
    if change.address not in reported:
        return None
    return Blocked(
        "drift-reported",
        'it drifted, and policy.drift = "report"',
        "`aimx apply` repairs it",
    )


def _backing_off(change: Change, held: Mapping[str, str]) -> Blocked | None:
    if change.address not in held:
        return None
    return Blocked(
        "backing-off",
        f"its last try failed: {held[change.address]}",
        "it is tried again by itself, later each time; `aimx apply` tries it now",
    )


def _is_config(intent: Work) -> bool:
    return intent.change.address == "config"  # There is one of its kind.


def _changed(intent: Work, change: Change) -> Work:
    return replace(intent, change=change)


def _stopped(change: Change, stopped: Mapping[str, str]) -> Blocked | None:
    for address in change.needs if stopped else ():
        kind, _, _ = address.partition("/")
        if reason := stopped.get(address) or stopped.get(kind):
            remedy = f"see what is said of {address}"
            return Blocked("needs-another", f"it needs {address}, {reason}", remedy)
    return None


def _placed(intents: Sequence[Work], world: World) -> Iterator[Change]:
    """The changes, each with the line of the manifest that asks for it."""
    for intent in intents:
        if intent.keys and len(intents) <= _PLACED:
            yield replace(intent.change, where=world.desired.where(*intent.keys))
        else:
            yield intent.change


def _config(work: Sequence[Work]) -> bytes | None:
    """The engine config that will be written."""
    for each in work:
        if _is_config(each):
            for phase, operation in each.deeds:
                if phase is Phase.CONFIG and isinstance(operation, WriteFile):
                    return operation.content
    return None


def _running(world: World) -> bytes | None:
    """The engine config that stays."""
    try:
        return world.host.read(world.roots.engine_config)
    except UnseenError:
        return None
