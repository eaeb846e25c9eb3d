"""The planner's process: root with few capabilities, which reads manifests, plans and applies.

It is started for the first job of a large instance, and is gone a quarter of an hour after the
last, so that nobody who plans ever holds up a client. It takes the apply lock itself: whoever
writes has it, and whoever kills us frees it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from queue import SimpleQueue
from time import monotonic
from typing import Any

import structlog

from aimx import logs
from aimx.channel.control import Commit, Drop, Leave, Prepare, Ready
from aimx.channel.packets import Channel, MalformedError, Packet, close_all
from aimx.channel.sealed import sealed, unseal
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.instance import Instance
from aimx.controller.last_good import last_good
from aimx.controller.memory import Memory
from aimx.controller.packed import Packed, packed, unpacked
from aimx.controller.watched import Begun, Watched
from aimx.controller.workplace import Workplace
from aimx.placing.capabilities import PLANNING, keep
from aimx.processes.planning import (
    FROM_PLANNER,
    JOBS,
    MOST_JOB,
    MOST_PART,
    OUTCOMES,
    TO_PLANNER,
    Current,
    Do,
    Done,
    Ended,
    Engaged,
    Progress,
    Undone,
)
from aimx.processes.privileges import harden
from aimx.processes.start import Arrival, run
from aimx.processes.unread import count
from reconcilers.host.host import ReconcileError, StepError
from reconcilers.host.local import LocalHost
from reconcilers.receipt import Receipt
from reconcilers.roots import Roots

_LARGEST_INSTANCE = 1 << 20  # Octets of what names its directories.
# Steps that are told of together, and for how long the first of them may wait.
_TOGETHER, _SECONDS = 32, 0.05

log = structlog.get_logger()


def main() -> None:
    run("planner", serve)


def serve(arrival: Arrival) -> None:
    """Do jobs until the control channel ends; then at once, as if killed, which harms nothing."""
    harden()
    keep(PLANNING)
    control, named = arrival.channel("control"), arrival.descriptors["instance"]
    instance = _instance(json.loads(unseal(named, _LARGEST_INSTANCE)))
    os.close(named)
    planning = _Planning(control, instance)
    planning.say(Ready())
    with suppress(MalformedError, OSError):
        while (packet := control.receive()) is not None:
            planning.heard(packet)
    os._exit(os.EX_OK)


def _instance(names: dict[str, str]) -> Instance:
    paths = {name: PurePosixPath(path) for name, path in names.items()}
    named = paths.pop("named")
    roots = Roots(**paths)
    return Instance(roots, LocalHost(roots), named)


class _Planning:
    """All jobs under way, each in a thread, and the supervisor at the other end."""

    def __init__(self, control: Channel, instance: Instance) -> None:
        self._control = control
        self._instance = instance
        self._engine = _Engine(self.say, instance)
        self._memory = Memory(instance.host, instance.roots)
        self._leaving = threading.Event()

    def say(self, message: object, descriptors: Sequence[int] = ()) -> None:
        with suppress(ConnectionError):  # Then we end anyway.
            self._control.send(FROM_PLANNER.encode(message), descriptors)

    def heard(self, packet: Packet) -> None:
        message: Do | Current | Engaged | Leave = TO_PLANNER.decode(packet.payload)
        match message:
            case Do():
                threading.Thread(target=self._do, args=(message, packet.descriptors)).start()
            case Current():
                self._engine.runs_on(_received(packet.descriptors))
            case Engaged():
                self._engine.answers.put(message)
            case Leave():
                self._leaving.set()

    def _do(self, asked: Do, descriptors: tuple[int, ...]) -> None:
        try:
            job = JOBS.decode(unseal(descriptors[0], MOST_JOB))
            close_all(descriptors)
            telling = _Telling(asked, self.say)
            watched = Watched(self._leaving.is_set, telling.ended, telling.begun, asked.parallelism)
            at = Workplace(self._instance, self._engine, watched, count, memory=self._memory)
            outcome = OUTCOMES.encode(job.done(at))
            telling.flush()
        except ReconcileError as cause:
            self.say(Undone(asked.number, str(cause)))
        except Exception as cause:
            log.exception("job failed")
            reason = f"internal error: {type(cause).__name__}; the log has it"
            self.say(Undone(asked.number, reason))
        else:
            self._say_sealed(Done(asked.number), outcome)

    def _say_sealed(self, message: object, content: bytes) -> None:
        descriptor = sealed(content)
        try:
            self.say(message, (descriptor,))
        finally:
            os.close(descriptor)


@dataclass(slots=True)
class _Telling:
    """Steps of a job, told in bundles: making a directory costs less than a packet."""

    asked: Do
    say: Any
    _told: list[Begun | Ended] = field(default_factory=list)
    _next: float = 0.0  # When what is there is told, however little it is.

    def begun(self, step: Begun) -> None:
        if self.asked.followed:
            self._add(step)

    def ended(self, receipt: Receipt, number: int, steps: int) -> None:
        if not self.asked.followed:
            self._told.clear()  # That there is one, and how far it is, is all that counts.
        self._add(Ended(receipt, number, steps))

    def flush(self) -> None:
        if self._told:
            self.say(Progress(self.asked.number, tuple(self._told)))
            self._told.clear()

    def _add(self, each: Begun | Ended) -> None:
        self._told.append(each)
        if len(self._told) >= _TOGETHER or monotonic() >= self._next:
            self.flush()
            self._next = monotonic() + _SECONDS


class _Engine:
    """The supervisor's engine: what is compiled here is prepared and committed there."""

    def __init__(self, say: Any, instance: Instance) -> None:
        self.current: Compiled | None = None
        self.answers: SimpleQueue[Engaged] = SimpleQueue()
        self._say = say
        self._host, self._roots = instance.host, instance.roots
        self._prepared: Compiled | None = None

    def runs_on(self, current: Compiled) -> None:
        self.current = current
        logs.change(current.log.level, current.log.format)

    def prepare(self, config: bytes) -> None:
        # A plan has just looked; what vanished unnoticed is found by the next look at all.
        self._prepare(compiled(config, self._host, self._roots, self.current, lately=True))

    def commit(self) -> None:
        self._ask(Commit())
        assert self._prepared is not None
        self.runs_on(self._prepared)
        self._prepared = None

    def drop(self) -> None:
        self._prepared = None
        self._ask(Drop())

    def refresh(self) -> str:
        good = last_good(self._host, self._roots)
        if good is None or good.gone:
            return ""
        wanted = compiled(good.config, self._host, self._roots, self.current)
        if wanted == self.current:
            return ""
        try:
            self._prepare(wanted)
            self.commit()
        except StepError as cause:
            return str(cause)
        return ""

    def _prepare(self, wanted: Compiled) -> None:
        descriptors: list[int] = []
        try:
            descriptors += map(sealed, packed(wanted).parts)
            self._ask(Prepare(wanted.snapshot.id.generation), descriptors)
        finally:
            close_all(descriptors)
        self._prepared = wanted

    def _ask(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Only one job at a time changes anything, so the next answer is ours."""
        self._say(message, descriptors)
        answer = self.answers.get()
        if answer.refusal:
            raise StepError(answer.refusal)


def _received(descriptors: tuple[int, ...]) -> Compiled:
    try:
        return unpacked(Packed(*(unseal(each, MOST_PART) for each in descriptors)))
    finally:
        close_all(descriptors)


if __name__ == "__main__":
    main()
