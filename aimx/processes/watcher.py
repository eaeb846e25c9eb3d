"""`aimx watch`: the controller alone, which applies the manifest where no mail engine runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from aimx import logs
from aimx.controller.activation import EngineError
from aimx.controller.activation import Running as RunningActivation
from aimx.controller.compiled import Compiled
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.probe import probe
from aimx.controller.state import State
from aimx.doors.exits import Exit
from aimx.doors.socket.frames import Code
from aimx.doors.socket.submission import Declined, Permission, Steering, Submitted
from aimx.processes.attending import Watchman, attend
from aimx.processes.notify import service
from aimx.processes.opening import awaited, opened, require_there, run, signals
from aimx.processes.unread import count
from reconcilers.host.host import StepError

log = structlog.get_logger()

# Each turn but the last one was followed by news, and somebody may edit without end.
_TURNS = 10


def watch(roots: Mapping[str, str], *, may_move: bool) -> int:
    """Keep the machine at what the manifest says, until told to stop; gives the exit code."""
    return run(_watch(roots, may_move=may_move))


def watch_once(roots: Mapping[str, str], *, may_move: bool) -> int:
    """Do what may be done by itself, once; gives how the instance stands then."""
    return run(_once(roots, may_move=may_move))


class Unmanned:
    """In the place of an engine: what one would run on is tried, and nobody swaps to it."""

    def __init__(self) -> None:
        self.current: Compiled | None = None
        self._prepared: Compiled | None = None

    async def prepare(self, compiled: Compiled) -> None:
        try:
            await asyncio.to_thread(probe, compiled.credentials)
        except StepError as cause:
            raise EngineError(str(cause)) from cause
        self._prepared = compiled

    async def commit(self) -> None:
        self.current = self._prepared
        if self.current is not None:
            logs.change(self.current.log.level, self.current.log.format)

    async def drop(self) -> None:
        self._prepared = None


class Unsent:
    """In the place of the outbound side."""

    async def submit(self, submitted: Submitted, permission: Permission) -> Declined:
        return Declined(Code.TEMP, "no mail engine runs here (`aimx watch`), so nothing is sent")

    async def steer(self, steering: Steering, permission: Permission) -> Declined:
        return Declined(Code.TEMP, "no mail engine runs here (`aimx watch`), so nothing is tried")


async def _watch(roots: Mapping[str, str], *, may_move: bool) -> Exit:
    watchman = Watchman(signals(), service())
    async with opened(roots, "aimx watch", may_move=may_move) as (instance, desired):
        if not await awaited(instance, watchman.stop, watchman.systemd.waiting):
            return Exit.DONE
        controller = _controller(instance, watchman)
        try:
            await attend(controller, desired, Unsent(), watchman)
        finally:
            watchman.systemd.stopping()
    return Exit.DONE


async def _once(roots: Mapping[str, str], *, may_move: bool) -> Exit:
    watchman = Watchman(signals(), service())
    async with opened(roots, "aimx watch --once", may_move=may_move) as (instance, _):
        require_there(instance)
        controller = _controller(instance, watchman)
        stopped = asyncio.create_task(watchman.stop.wait())
        turning = asyncio.create_task(_turned(controller))
        await asyncio.wait((stopped, turning), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        turning.cancel()
        await asyncio.gather(stopped, turning, return_exceptions=True)
        return Exit.PARTIAL if turning.cancelled() else _standing(controller.state)


async def _turned(controller: Controller) -> None:
    for _ in range(_TURNS):
        controller.nudged.clear()
        await controller.turn()
        if not controller.nudged.is_set():
            return


def _controller(instance: Instance, watchman: Watchman) -> Controller:
    engine, loop = Unmanned(), asyncio.get_running_loop()
    activation = RunningActivation(
        engine, loop, instance.host, instance.roots, lambda: engine.current
    )
    state = State.after(instance)
    state.unmanned()
    planner = OwnThread(instance, activation, count)
    return Controller(instance, planner, lambda: engine.current, state, watchman.pulse(state))


def _standing(state: State) -> Exit:
    """How it ended; what is not as the manifest says is told."""
    told = state.conditions.by_type
    for kind in ("ManifestValid", "Converged"):
        found = told.get(kind)
        if found is not None and found.status != "True":
            log.warning("not converged", reason=found.reason, message=found.message)
            return _ENDS.get(found.reason, Exit.PENDING)
    waiting = told.get("PendingApproval")
    if waiting is not None and waiting.status == "True":
        log.warning("a plan waits for approval", message=waiting.message)
        return Exit.PENDING
    return Exit.DONE


# Of a condition that does not hold; for what only waits for somebody there is no error.
_ENDS = {
    "LastGoodGenerationKept": Exit.INVALID,
    "ManifestInvalid": Exit.INVALID,
    "ApplyFailed": Exit.PARTIAL,
    "LockHeld": Exit.LOCKED,
    "DataGone": Exit.REFUSED,
    "CannotApply": Exit.ERROR,
    "Blocked": Exit.REFUSED,
}
