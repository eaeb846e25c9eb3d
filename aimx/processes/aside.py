"""The supervisor's side of the planner: a process for jobs, started at the first.

Nobody who waits for a client waits for it. It is gone a quarter of an hour after its last job.
Whenever it dies or falls silent the job at hand fails: what was done stands, and the next apply
finishes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from subprocess import Popen
from typing import Any, TypeVar

import structlog

from aimx.channel.attached import Attached
from aimx.channel.control import Commit, Drop, Leave, Prepare, Ready
from aimx.channel.packets import Kind, MalformedError, Packet, close_all, pair
from aimx.channel.sealed import sealed, unseal
from aimx.controller.activation import Engine, EngineError
from aimx.controller.compiled import Compiled
from aimx.controller.instance import Instance
from aimx.controller.packed import Packed, packed, unpacked
from aimx.controller.planner import PlannerGoneError, UndoneError
from aimx.controller.watched import UNWATCHED, Begun, Watched
from aimx.controller.workplace import Job
from aimx.metrics import table as metrics
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
from aimx.processes.start import start

# Without a job. An instance that nothing changes is looked at more often than that (`resync`), so
# that whoever edits it finds a planner that knows it.
KEPT_SECONDS = 900.0
# To read and plan a hundred thousand mailboxes on a slow machine takes a quarter of it, and each
# step is heard of.
SILENT_SECONDS = 120.0
_PARTS = 3  # Of what an engine runs on.

R = TypeVar("R")

log = structlog.get_logger()


class Aside:
    """Does jobs in a process of their own, while there are any."""

    def __init__(
        self,
        instance: Instance,
        engine: Engine,
        current: Callable[[], Compiled | None],
        *,
        kept: float = KEPT_SECONDS,
        silent: float = SILENT_SECONDS,
    ) -> None:
        self._instance = instance
        self._engine = engine
        self._current = current
        self._kept = kept
        self._silent = silent
        self._line: _Line | None = None
        self._starting = asyncio.Lock()
        self._leaving = False
        self._resting: asyncio.TimerHandle | None = None

    async def do(self, job: Job[R], watched: Watched = UNWATCHED) -> R:
        line = await self._started()
        work = asyncio.ensure_future(line.do(job, watched))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self.leave()
            await asyncio.gather(work, return_exceptions=True)
            raise
        finally:
            self._rest()

    def leave(self) -> None:
        self._leaving = True
        if self._line is not None:
            self._line.post(Leave())

    async def close(self) -> None:
        """The process goes, whatever it is doing."""
        self._stay()
        if self._line is not None:
            await self._line.end("was ended")

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._line.process.pid if self._line is not None and self._line.is_open else None

    async def _started(self) -> _Line:
        async with self._starting:
            self._stay()
            if self._line is None or not self._line.is_open:
                self._line = await _line(self._instance, self._engine, self._current, self._silent)
                if self._leaving:
                    self._line.post(Leave())
            return self._line

    def _stay(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _rest(self) -> None:
        """It goes unless there is something to do before long."""
        line = self._line
        if line is not None and line.is_idle:
            self._stay()
            self._resting = asyncio.get_running_loop().call_later(self._kept, line.dismiss)


@dataclass(slots=True)
class _Asked:
    """A job under way."""

    watched: Watched
    outcome: asyncio.Future[int]  # The descriptor that holds it.
    taken: int = 0
    steps: int = 0


async def _line(
    instance: Instance,
    engine: Engine,
    current: Callable[[], Compiled | None],
    silent: float,
) -> _Line:
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
    line = _Line(process, engine, current, silent)
    line.attach(Attached(ours, line.received, line.ended))
    return line


@dataclass(slots=True, eq=False)
class _Line:
    """One planner process, what it was asked, and what it has the engine do."""

    process: Popen[bytes]
    engine: Engine
    current: Callable[[], Compiled | None]
    silent: float
    is_open: bool = True
    _control: Attached = field(init=False)
    _jobs: dict[int, _Asked] = field(default_factory=dict)
    _last: int = 0  # The number of the last job.
    _heard: float = 0.0
    _known: Compiled | None = None  # What it believes that the engine runs on.
    _prepared: bool = False
    _engaging: asyncio.Lock = field(default_factory=asyncio.Lock)
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
            await self._tell_current()
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
                self._spawn(self._engaged(message, packet.descriptors))
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
        while (left := self._heard + self.silent - loop.time()) > 0 or self._engaging.locked():
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
        self.process.kill()
        code = await asyncio.to_thread(self.process.wait)
        metrics.PROCESSES.set(0, "planner")
        if self._jobs:
            metrics.DEATHS.count("planner")
            log.error("process died", role="planner", pid=self.process.pid, code=code)
        async with self._engaging:
            if self._prepared:
                await self._drop()
        for asked in self._jobs.values():
            if not asked.outcome.done():
                gone = PlannerGoneError(reason, asked.taken, asked.steps)
                asked.outcome.set_exception(gone)
        self._gone.set()

    async def _engaged(
        self, message: Prepare | Commit | Drop, descriptors: tuple[int, ...]
    ) -> None:
        """Have the engine do it, and say how that went; for who is gone nothing is done."""
        async with self._engaging:
            if not self.is_open:
                close_all(descriptors)
                return
            try:
                await self._engage(message, descriptors)
            except (EngineError, MalformedError) as cause:
                await self._send(Engaged(str(cause) or type(cause).__name__))
            else:
                await self._send(Engaged())
            self._heard = asyncio.get_running_loop().time()

    async def _engage(self, message: Prepare | Commit | Drop, descriptors: tuple[int, ...]) -> None:
        match message:
            case Prepare():
                wanted = await asyncio.to_thread(_unsealed, descriptors)
                await self.engine.prepare(wanted)
                self._prepared, self._known = True, wanted
            case Commit():
                await self.engine.commit()
                self._prepared = False
            case Drop():
                await self._drop()

    async def _drop(self) -> None:
        self._prepared, self._known = False, self.current()
        await self.engine.drop()

    async def _tell_current(self) -> None:
        """What the engine runs on by now, where somebody else brought it there."""
        current = self.current()
        if current is None or current is self._known:
            return
        parts = await asyncio.to_thread(packed, current)
        await self._send(Current(), parts.parts)
        self._known = current

    async def _send(self, message: object, contents: tuple[bytes, ...] | list[bytes] = ()) -> None:
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


def _outcome(descriptor: int) -> Any:
    try:
        return OUTCOMES.decode(unseal(descriptor, MOST_JOB))
    finally:
        close_all([descriptor])


def _unsealed(descriptors: tuple[int, ...]) -> Compiled:
    try:
        if len(descriptors) != _PARTS:
            raise MalformedError(f"a generation comes in {_PARTS} parts")
        return unpacked(Packed(*(unseal(each, MOST_PART) for each in descriptors)))
    finally:
        close_all(descriptors)
