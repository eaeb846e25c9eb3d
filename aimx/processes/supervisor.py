"""`aimx serve`: applies the manifest, starts the engine, watches, and answers at the socket."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Mapping

from aimx.controller.activation import Running as RunningActivation
from aimx.controller.compiled import Compiled
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import BySize, OwnThread
from aimx.controller.state import State
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.processes.activation import RefusedError
from aimx.processes.aside import Aside
from aimx.processes.attending import Watchman, attend
from aimx.processes.beginning import begun
from aimx.processes.engine import Running
from aimx.processes.listening import BindError
from aimx.processes.notify import service
from aimx.processes.opening import UnservableError, awaited, opened, run, said, signals
from aimx.processes.station import StationError
from aimx.processes.unread import count
from aimx.processes.worker import SilentError, WorkerGoneError
from desired.desired import Desired

# What is large here, the manifest and what is made of it, has no cycles.
_COLLECT = (20_000, 50, 100)
# How long a thread that plans may compute while a client waits for us. Python's own is 5 ms, and
# a client has several turns.
_TURN = 0.001  # Seconds.


def serve(roots: Mapping[str, str], *, may_move: bool) -> int:
    """Run until told to stop; gives the exit code."""
    return run(_serve(roots, may_move=may_move))


async def _serve(roots: Mapping[str, str], *, may_move: bool) -> Exit:
    watchman = Watchman(signals(), service())
    async with opened(roots, "aimx serve", may_move=may_move) as (instance, desired):
        was_gone = bool(instance.absence())
        if await awaited(instance, watchman.stop, watchman.systemd.waiting):
            # It may have waited for long, and what may be applied unasked be another by now.
            await _served(instance, said(instance) if was_gone else desired, watchman)
    return Exit.DONE


async def _served(instance: Instance, desired: Desired | None, watchman: Watchman) -> None:
    state, systemd = State.after(instance), watchman.systemd
    watched = Watched(watchman.stop.is_set, lambda _, step, steps: systemd.starting(step, steps))
    first = await asyncio.to_thread(begun, instance, desired, state, watched)
    engine = Running(instance.roots, instance.host, state)
    try:
        await _begin(engine, first)
        # A full collection would hold up accepting for as long as it takes to walk the manifest.
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        sys.setswitchinterval(_TURN)
        aside = Aside(instance, engine, lambda: engine.current)
        controller = _controller(engine, instance, state, watchman, aside)
        engine.recovered = controller.nudge
        try:
            await attend(controller, desired, engine.submissions, watchman)
        finally:
            await aside.close()
    finally:
        systemd.stopping()
        await engine.leave()


async def _begin(engine: Running, first: Compiled) -> None:
    try:
        await engine.begin(first)
    except (BindError, StationError, RefusedError, WorkerGoneError, SilentError) as cause:
        raise UnservableError(Exit.ERROR, str(cause)) from cause


def _controller(
    engine: Running, instance: Instance, state: State, watchman: Watchman, aside: Aside
) -> Controller:
    loop = asyncio.get_running_loop()
    activation = RunningActivation(
        engine, loop, instance.host, instance.roots, lambda: engine.current
    )
    state.generation = engine.snapshot.id.generation
    state.active(engine.current)
    planner = BySize(OwnThread(instance, activation, count), aside, instance.roots)
    return Controller(instance, planner, lambda: engine.current, state, watchman.pulse(state))
