"""One planner process as the supervisor sees it: started, asked, heard, and buried."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from subprocess import Popen
from typing import Any, TypeVar

import structlog

from aimx.channel.attached import Attached
from aimx.channel.control import Commit, Drop, Prepare, Ready
from aimx.channel.packets import Kind, MalformedError, Packet, close_all, pair
from aimx.channel.sealed import sealed, unseal
from aimx.controller.instance import Instance
from aimx.controller.planner import PlannerGoneError, UndoneError
from aimx.controller.watched import UNWATCHED, Begun, Watched
from aimx.controller.workplace import Job
from aimx.metrics import table as metrics
from aimx.processes.engaging import Engaging
from aimx.processes.planning import (
    FROM_PLANNER,
    JOBS,
    MOST_JOB,
    OUTCOMES,
    TO_PLANNER,
    Do,
    Done,
    Ended,
    Progress,
    Undone,
)
from aimx.processes.start import start

R = TypeVar("R")

log = structlog.get_logger()


@dataclass(slots=True)
class _Asked:
    """A job under way."""

    watched: Watched
    outcome: asyncio.Future[int]  # The descriptor that holds it.
    taken: int = 0
    steps: int = 0


@dataclass(slots=True, eq=False)
class Delegate:
    """A planner, and what it was asked."""

    process: Popen[bytes]
    engaging: Engaging
    silent: float  # Seconds after which it is taken for dead.
    is_open: bool = True
    _control: Attached = field(init=False)
    _jobs: dict[int, _Asked] = field(default_factory=dict)
    _last: int = 0  # The number of the last job.
    _heard: float = 0.0
    _gone: asyncio.Event = field(default_factory=asyncio.Event)  # Nobody waits for it any more.
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def is_idle(self) -> bool:
        return self.is_open and not self._jobs

    def attach(self, control: Attached) -> None:
        self._control = control

    async def do(self, job: Job[R], watched: Watched) -> R:
        loop = asyncio.get_running_loop()
        if not self.is_open:
            await self._gone.wait()
            raise PlannerGoneError("is gone")
        # Known before anything is waited for, so that whoever buries it knows who waits.
        self._last += 1
        number, asked = self._last, _Asked(watched, loop.create_future())
        self._jobs[number] = asked
        self._heard = loop.time()
        watching = loop.create_task(self._watch())
        try:
            content = await asyncio.to_thread(JOBS.encode, job)
            await self.engaging.tell(self._send)
            followed = watched.started is not UNWATCHED.started
            await self._send(Do(number, watched.parallelism, followed), [content])
            descriptor = await asked.outcome
        finally:
            watching.cancel()
            self._jobs.pop(number, None)
        outcome: R = await asyncio.to_thread(_outcome, descriptor)
        return outcome

    def post(self, message: object) -> None:
        """Say it, without waiting."""
        self._spawn(self._send(message))

    def dismiss(self) -> None:
        if self.is_idle:
            log.info("process is not needed any more", role="planner", pid=self.process.pid)
            self._spawn(self.end("was not needed any more"))

    async def end(self, reason: str) -> None:
        """Close its line, upon which it goes, and wait until it has."""
        self._control.close()
        await self._buried(reason)

    def received(self, packet: Packet) -> None:
        self._heard = asyncio.get_running_loop().time()
        match message := FROM_PLANNER.decode(packet.payload):
            case Progress(number, told):
                self._told(number, told)
            case Done(number) if len(packet.descriptors) == 1 and number in self._jobs:
                self._jobs[number].outcome.set_result(packet.descriptors[0])
                return  # It closes the descriptor.
            case Undone(number, reason) if number in self._jobs:
                self._jobs[number].outcome.set_exception(UndoneError(reason))
            case Prepare() | Commit() | Drop():
                self._spawn(self._engage(message, packet.descriptors))
                return
            case Ready():
                pass
            case _:
                close_all(packet.descriptors)
                raise MalformedError(f"a planner said {type(message).__name__} out of turn")
        close_all(packet.descriptors)

    def ended(self, reason: str) -> None:
        self._spawn(self._buried(f"died ({reason})"))

    async def _watch(self) -> None:
        """Who says nothing for so long hangs, and is killed. What we do for it is no silence."""
        loop = asyncio.get_running_loop()
        while (left := self._heard + self.silent - loop.time()) > 0 or self.engaging.is_under_way:
            await asyncio.sleep(max(left, self.silent / 10))
        log.error("planner hangs", pid=self.process.pid, seconds=self.silent)
        self._control.close()
        self._spawn(self._buried(f"said nothing for {self.silent:.0f} s and was killed"))

    def _told(self, number: int, told: tuple[Begun | Ended, ...]) -> None:
        asked = self._jobs.get(number)
        if asked is None:
            return
        for each in told:
            if isinstance(each, Begun):
                asked.watched.started(each)
            else:
                asked.taken, asked.steps = each.number, each.steps
                asked.watched.progress(each.receipt, each.number, each.steps)

    async def _buried(self, reason: str) -> None:
        """It is gone for good; what it had the engine prepare is dropped before anybody learns."""
        if not self.is_open:
            return
        self.is_open = False
        self.engaging.leave()
        self.process.kill()
        code = await asyncio.to_thread(self.process.wait)
        metrics.PROCESSES.set(0, "planner")
        if code == os.EX_CONFIG:
            reason = "cannot start, and the log says why; after an upgrade, restart the daemon"
        if self._jobs:
            metrics.DEATHS.count("planner")
            log.error("process died", role="planner", pid=self.process.pid, code=code)
        await self.engaging.undo()
        for asked in self._jobs.values():
            if not asked.outcome.done():
                gone = PlannerGoneError(reason, asked.taken, asked.steps)
                asked.outcome.set_exception(gone)
        self._gone.set()

    async def _engage(self, message: Prepare | Commit | Drop, descriptors: tuple[int, ...]) -> None:
        said = await self.engaging.answer(message, descriptors)
        self._heard = asyncio.get_running_loop().time()
        if said is not None:
            await self._send(said)

    async def _send(self, message: object, contents: Sequence[bytes] = ()) -> None:
        descriptors: list[int] = []
        try:
            descriptors += map(sealed, contents)
            await self._control.send(TO_PLANNER.encode(message), descriptors)
        except ConnectionError:
            self._spawn(self._buried("is gone"))
        finally:
            close_all(descriptors)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def started(instance: Instance, engaging: Engaging, silent: float) -> Delegate:
    """A new process. It gets the one end of its channel and what names the instance."""
    names = {name: str(path) for name, path in asdict(instance.roots).items()}
    named = sealed(json.dumps({**names, "named": str(instance.named)}).encode())
    ours, theirs = pair(Kind.CONTROL)
    try:
        descriptors = {"control": theirs.fileno(), "instance": named}
        # In a thread: a fork of a large process takes its time.
        process = await asyncio.to_thread(start, "planner", descriptors, None)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        close_all([named])
    metrics.PROCESSES.set(1, "planner")
    log.info("process started", role="planner", pid=process.pid)
    delegate = Delegate(process, engaging, silent)
    delegate.attach(Attached(ours, delegate.received, delegate.ended))
    return delegate


def _outcome(descriptor: int) -> Any:
    try:
        return OUTCOMES.decode(unseal(descriptor, MOST_JOB))
    finally:
        close_all([descriptor])
