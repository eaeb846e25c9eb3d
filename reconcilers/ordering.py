"""From what each change asks for to the ordered steps of a plan.

The steps of one resource follow each other, and wait for the resources that it needs. The engine
prepares what was made before anything is moved or written that it runs on, and swaps before
anything goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.change import Change
from reconcilers.operations.engine import Commit, Prepare
from reconcilers.operations.files import MakeDirectories, MakeDirectory, SyncDirectories
from reconcilers.reconciler import Keys
from reconcilers.step import Operation, Phase, Step

_PREPARE, _COMMIT = "engine#1", "engine#2"
# Directories are made in these, and become durable by one closing step.
_CLOSED = (Phase.MIGRATE, Phase.KEYS, Phase.STORAGE)


@frozen
class Work:
    """What is to be done for one change, one thing after the other."""

    change: Change
    deeds: tuple[tuple[Phase, Operation], ...]
    activates: bool  # The engine's snapshot is made of it.
    keys: Keys = ()  # Where a manifest asks for it.


def order(work: Sequence[Work], config: bytes | None) -> tuple[Step, ...]:
    """Every step, in the order of an apply; `config` is what the engine will run on, if any."""
    activation = config is not None and any(each.activates and each.deeds for each in work)
    last: dict[str, dict[Phase, str]] = {}
    steps: list[Step] = []
    for each in work:
        steps += _numbered(each, last, activation=activation)
    if activation and config is not None:
        steps += _activation(config, [each for each in work if each.activates], last)
    steps += _closing(steps)
    return tuple(sorted(steps, key=lambda step: step.phase))


def _numbered(work: Work, last: dict[str, dict[Phase, str]], *, activation: bool) -> Iterator[Step]:
    """The steps of one change. Those of what it needs come first, as far as the phase allows."""
    address = work.change.address
    own: dict[Phase, str] = {}
    before = ""
    deeds = sorted(work.deeds, key=_phase) if len(work.deeds) > 1 else work.deeds
    for number, (phase, operation) in enumerate(deeds, start=1):
        name = f"{address}#{number}"
        after = (before,) if before else _needed(work.change, last, phase)
        if activation and phase > Phase.PREPARE and phase not in own:
            after += (_COMMIT if phase > Phase.COMMIT else _PREPARE,)  # What the engine does first.
        yield Step(name, address, phase, operation, after)
        own[phase] = before = name
    if own:
        last[address] = own


def _phase(deed: tuple[Phase, Operation]) -> Phase:
    return deed[0]


def _needed(
    change: Change, last: Mapping[str, Mapping[Phase, str]], phase: Phase
) -> tuple[str, ...]:
    steps = [_last(last[address], phase) for address in change.needs if address in last]
    return tuple(filter(None, steps))


def _last(steps: Mapping[Phase, str], phase: Phase) -> str | None:
    """The resource's last step that is no later than the phase."""
    earlier = [each for each in steps if each <= phase]
    return steps[max(earlier)] if earlier else None


def _activation(
    config: bytes, work: Sequence[Work], last: Mapping[str, Mapping[Phase, str]]
) -> Iterator[Step]:
    """The engine is given what it must be able to load: keys, and the engine config."""
    made = [last.get(each.change.address, {}) for each in work]
    keys = tuple(steps[Phase.KEYS] for steps in made if Phase.KEYS in steps)
    written = tuple(steps[Phase.CONFIG] for steps in made if Phase.CONFIG in steps)
    yield Step(_PREPARE, "engine", Phase.PREPARE, Prepare(config), keys)
    yield Step(_COMMIT, "engine", Phase.COMMIT, Commit(), (_PREPARE, *written))


def _closing(steps: Sequence[Step]) -> Iterator[Step]:
    """What a phase made becomes durable at its end, each directory once for all that is new."""
    for phase in _CLOSED:
        after: list[str] = []
        parents: set[PurePosixPath] = set()
        for step in steps:
            if step.phase is phase and (within := _made_within(step.operation)):
                after.append(step.id)
                parents.update(within)
        if after:
            name, sync = (
                f"sync/{phase.name.lower()}",
                SyncDirectories(tuple(sorted(parents, key=_parts))),
            )
            yield Step(f"{name}#1", name, phase, sync, tuple(after), closing=True)


def _parts(path: PurePosixPath) -> tuple[str, ...]:
    return path.parts


def _made_within(operation: Operation) -> tuple[PurePosixPath, ...]:
    """Which directories have new names by it."""
    match operation:
        case MakeDirectories(within=within):
            return within
        case MakeDirectory(path=path):
            return (path.parent,)
        case _:
            return ()
