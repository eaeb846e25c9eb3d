"""Carries out a plan: phase by phase, each step looked at before and after, each with a receipt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeGuard

from desired.frozen import replace
from reconcilers.host.host import NOT_SEEN, ReconcileError
from reconcilers.journal import Interrupted, Journal
from reconcilers.lanes import Lanes, OneLane
from reconcilers.plan import Plan
from reconcilers.receipt import Outcome, Receipt
from reconcilers.step import Hands, Joinable, Operation, Phase, Reversible, Step

# Of the steps that ended together; none where none did.
Ended: TypeAlias = Sequence[Receipt]

# They only add, and nothing leads to what they add before the engine config is written: a failure
# in one holds up those that need it, and everything from PREPARE on.
_ADDING = {Phase.KEYS, Phase.STORAGE}

# They stand or fall together: the first that fails is the last that starts.
_TOGETHER = {Phase.MIGRATE, Phase.PREPARE, Phase.RELOCATE, Phase.CONFIG, Phase.COMMIT}

# Where steps take long enough to be taken side by side: making a key is a tenth of a second of
# computing, while a directory is made sooner than handed over.
_SIDE_BY_SIDE = {Phase.KEYS}
# How far ahead to look for a step that needs none of those under way.
_AHEAD = 8  # Steps for each lane.
# Where a directory is made in less time than a line of the journal, lines are written together,
# what is done already is taken once more, and no directory gets another place.
_SHORT = {Phase.STORAGE}
_MANY = 64  # At a time.


def _never() -> bool:
    return False


def _ignored(step: Step) -> None:
    pass


def gains_by_lanes(plan: Plan) -> bool:
    """Whether several steps of it would be taken at a time."""
    return sum(step.phase in _SIDE_BY_SIDE for step in plan.steps) > 1


def apply(
    plan: Plan,
    hands: Hands,
    journal: Journal,
    stop: Callable[[], bool] = _never,
    lanes: Lanes[Ended] | None = None,
    started: Callable[[Step], None] = _ignored,
) -> Iterator[Receipt]:
    """Take the plan's steps in order, and tell what became of each.

    With several lanes, steps that need none of each other are taken at a time. `stop` is asked
    before each step, or before some that are taken together in no time; once it says yes, the
    rest is not started. Every step gets a receipt, some a second one that replaces it
    (`receipt.final`); `started` is told of those that are taken. Only a `ReconcileError` is a
    failed step; anything else is a defect, and ends the apply as a kill would.
    """
    interrupted = journal.begin()
    walk = _Walk(hands, journal, stop, lanes or OneLane(), started)
    for phase in Phase:
        if phase is Phase.CONFIG and interrupted:
            walk.secure(interrupted)
        steps = [step for step in plan.steps if step.phase is phase]
        with hands.host.keeping() if phase in _SHORT else nullcontext(hands.host) as host:
            walk.hands = replace(hands, host=host)
            yield from walk.through(phase, steps)
    journal.end(synced=not walk.failure and not walk.stopped)


class _Walk:
    """One apply under way."""

    def __init__(
        self,
        hands: Hands,
        journal: Journal,
        stop: Callable[[], bool],
        lanes: Lanes[Ended],
        started: Callable[[Step], None],
    ) -> None:
        self.failure = ""  # What failed first, as the reason why others are not started.
        self.stopped = False
        self.hands = hands
        self._journal = journal
        self._stop = stop
        self._lanes = lanes
        self._started = started
        self._receipts: dict[str, Receipt] = {}
        self._blamed: dict[str, str] = {}  # By skipped step: the resource that failed.
        self._left: deque[Step] = deque()  # Of the phase.
        self._relocated: list[Step] = []
        self._awaits_commit = False
        self._astray = False  # A layout is half migrated, and all else was planned for the whole.

    def secure(self, interrupted: Interrupted) -> None:
        """What an interrupted apply made is seen to be there, and may not be on disk yet."""
        try:
            self.hands.host.sync_everything()
        except ReconcileError as failure:
            self._fail(f"what an interrupted apply left could not be synced: {failure}")
        else:
            self._journal.synced(interrupted)

    def through(self, phase: Phase, steps: Sequence[Step]) -> Iterator[Receipt]:
        """Each step of a phase at its turn, and then what has to be taken back."""
        refusal = "" if phase in _ADDING and not self._astray else self.failure
        lanes = self._lanes if phase in _SIDE_BY_SIDE else OneLane[Ended]()
        by_id = {step.id: step for step in steps}
        self._left = left = deque(steps)
        under_way = 0
        while left or under_way:
            turn = self._next(left, lanes) if under_way < lanes.number else ()
            if turn:
                ended = self._turn(turn, refusal, lanes)
                under_way += 0 if ended else 1
            else:
                ended = lanes.ended()
                under_way -= 1
            for receipt in ended:
                taken = by_id[receipt.step]
                self._remember(taken, receipt)
                yield self._record(receipt)
                if receipt.outcome is Outcome.FAILED:
                    self._fail(f"{receipt.address} failed")
                    refusal = self.failure if phase in _TOGETHER else refusal
                    self._astray = self._astray or phase is Phase.MIGRATE
                    if taken.closing:
                        yield from self._revoke(steps, receipt.reason)
        if phase is Phase.CONFIG and not self._leads_forward(steps):
            yield from self._take_back()
        if phase is Phase.COMMIT and self._awaits_commit:
            self._drop()

    def _next(self, left: deque[Step], lanes: Lanes[Ended]) -> Sequence[Step]:
        """The first step that needs none of those under way, with those that are taken with it;
        none where all of them do."""
        for place, step in enumerate(islice(left, _AHEAD * lanes.number)):
            if self._may_turn(step):
                del left[place]
                return [step, *self._joining(step, left)]
        return ()

    def _may_turn(self, step: Step) -> bool:
        return all(needed in self._receipts for needed in step.after)

    def _joining(self, first: Step, left: deque[Step]) -> Iterator[Step]:
        """Those that follow it, are done in the same way, and could be begun as well."""
        if first.phase not in _SHORT or self._broken(first) is not None:
            return
        operation = first.operation
        if not _is_joinable(operation):
            return
        kind, likeness = type(operation), operation.likeness
        for _ in range(_MANY - 1):
            if not left or not _is_like(left[0].operation, kind, likeness):
                return
            if left[0].after and not self._may_join(left[0]):
                return
            yield left.popleft()

    def _may_join(self, step: Step) -> bool:
        return self._may_turn(step) and self._broken(step) is None

    def _turn(self, turn: Sequence[Step], refusal: str, lanes: Lanes[Ended]) -> Ended:
        """Look whether what it needs is done, and whether anything may still start; begin it.

        Nothing where it is under way now.
        """
        step = turn[0]
        needed = None if step.closing else self._broken(step)
        if needed:
            self._blamed[step.id] = needed
            return [_receipt(step, Outcome.SKIPPED, f"needs {needed}")]
        if step.phase is not Phase.COMMIT:  # Once the engine config is written it must follow.
            self.stopped = self.stopped or self._stop()
        if self.stopped:
            return [_receipt(each, Outcome.NOT_STARTED, "the apply was stopped") for each in turn]
        if refusal:
            return [_receipt(each, Outcome.NOT_STARTED, refusal) for each in turn]
        return self._begin(turn, lanes)

    def _begin(self, turn: Sequence[Step], lanes: Lanes[Ended]) -> Ended:
        """What a lane does is the steps alone; the journal is written here."""
        first, hands = turn[0], self.hands
        short = first.phase in _SHORT
        try:
            if not short and first.operation.holds(hands):
                return [_receipt(first, Outcome.DONE)]
        except ReconcileError as failure:
            return [_receipt(first, Outcome.FAILED, str(failure))]
        soon = islice(self._left, _MANY - len(turn) if short else 0)
        self._journal.intend([*turn, *soon])
        for each in turn:
            self._started(each)
        lanes.begin(partial(_take, turn, hands))
        return ()

    def _broken(self, step: Step) -> str | None:
        """The resource that failed, of those that the step needs, however far away."""
        for needed in map(self._receipts.__getitem__, step.after):
            if needed.outcome in {Outcome.FAILED, Outcome.SKIPPED}:
                return self._blamed.get(needed.step, needed.address)
        return None

    def _remember(self, step: Step, receipt: Receipt) -> None:
        """What may have to be taken back."""
        is_done = receipt.outcome is Outcome.DONE
        if step.phase is Phase.PREPARE and is_done:
            self._awaits_commit = True
        elif step.phase is Phase.RELOCATE and is_done:
            self._relocated.append(step)
        elif step.phase is Phase.COMMIT and (is_done or receipt.outcome is Outcome.FAILED):
            self._awaits_commit = False

    def _revoke(self, steps: Sequence[Step], reason: str) -> Iterator[Receipt]:
        """What a closing step should have made durable was done in vain."""
        for step in steps:
            done = self._receipts.get(step.id)
            if done is not None and done.outcome is Outcome.DONE:
                yield self._record(_receipt(step, Outcome.FAILED, f"not durable: {reason}"))

    def _leads_forward(self, steps: Sequence[Step]) -> bool:
        """Whether the engine config that the relocations were for stands, or none is to come.

        It is the last thing that `CONFIG` writes. One that is there although its step failed is
        there nevertheless: whoever starts next goes by it.
        """
        if not self.failure and not self.stopped:
            return True
        if not steps:
            return False
        try:
            return bool(steps[-1].operation.holds(self.hands))
        except ReconcileError:
            return False

    def _take_back(self) -> Iterator[Receipt]:
        """The engine goes on as it was, so what it needs goes back to where it was."""
        why = self.failure or "the apply was stopped"
        for step in reversed(self._relocated):
            if not isinstance(step.operation, Reversible):
                continue
            try:
                step.operation.undo(self.hands)
            except ReconcileError as failure:
                outcome, reason = Outcome.FAILED, f"done, and not to be taken back: {failure}"
            else:
                outcome, reason = Outcome.SKIPPED, f"done, and taken back, since {why}"
            yield self._record(_receipt(step, outcome, reason))

    def _drop(self) -> None:
        try:
            self.hands.activation.drop()
        except ReconcileError as failure:
            self._journal.note(f"what was prepared is still there: {failure}")

    def _record(self, receipt: Receipt) -> Receipt:
        self._receipts[receipt.step] = receipt
        self._journal.outcome(receipt)
        return receipt

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason


def _is_joinable(operation: Operation) -> TypeGuard[Joinable]:
    # To ask whether it keeps the whole protocol takes longer than to make a directory.
    return hasattr(operation, "take_together")


def _is_like(operation: Operation, kind: type[Joinable], likeness: object) -> bool:
    if type(operation) is not kind:
        return False
    other = operation.likeness
    return other is likeness or other == likeness


def _take(turn: Sequence[Step], hands: Hands) -> Ended:
    """One step, or several that are alike."""
    operations = [step.operation for step in turn]
    first = operations[0]
    if _is_joinable(first):
        reasons = first.take_together(operations, hands)
    else:
        reasons = [_trouble(operation, hands) for operation in operations]
    return [
        _receipt(step, Outcome.FAILED if reason else Outcome.DONE, reason)
        for step, reason in zip(turn, reasons, strict=True)
    ]


def _trouble(operation: Operation, hands: Hands) -> str:
    """Take it; why it is not seen to be done, and nothing where it is."""
    try:
        operation.take(hands)
        return NOT_SEEN if operation.holds(hands) is False else ""
    except ReconcileError as failure:
        return str(failure)


def _receipt(step: Step, outcome: Outcome, reason: str = "") -> Receipt:
    return Receipt(step.id, step.address, outcome, reason)
