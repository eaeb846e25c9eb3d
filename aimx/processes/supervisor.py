"""`aimx serve`: applies the manifest, starts the engine, watches, and answers at the socket."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping

import structlog

from aimx.controller import foundation
from aimx.controller.activation import Running as RunningActivation
from aimx.controller.alone import Alone
from aimx.controller.compiled import compiled
from aimx.controller.good import last_good
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.state import State
from aimx.controller.terms import Consent, Watched
from aimx.doors.exits import Exit
from aimx.processes.activation import RefusedError
from aimx.processes.attending import Watchman, attend
from aimx.processes.engine import Running
from aimx.processes.listening import BindError
from aimx.processes.notify import service
from aimx.processes.opening import UnservableError, opened, run, signals
from aimx.processes.station import StationError
from aimx.processes.worker import SilentError, WorkerGoneError
from desired.desired import Desired
from desired.problem import ManifestError
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError

log = structlog.get_logger()

# What is large here, the manifest and what is made of it, has no cycles.
_COLLECT = (20_000, 50, 100)


def serve(roots: Mapping[str, str], *, may_move: bool) -> int:
    """Run until told to stop; gives the exit code."""
    return run(_serve(roots, may_move=may_move))


async def _serve(roots: Mapping[str, str], *, may_move: bool) -> Exit:
    watchman = Watchman(signals(), service())
    async with opened(roots, "aimx serve", may_move=may_move) as (instance, desired):
        await _served(instance, desired, watchman)
    return Exit.DONE


async def _served(instance: Instance, desired: Desired | None, watchman: Watchman) -> None:
    state, systemd = State.after(instance), watchman.systemd
    suspended = instance.intents().suspension is not None
    obstacle = None
    if desired is not None and not suspended and instance.automatic(desired) != "none":
        watched = Watched(
            watchman.stop.is_set, lambda _, step, steps: systemd.starting(step, steps)
        )
        obstacle = await asyncio.to_thread(_first_apply, instance, desired, state, watched)
    if reason := await asyncio.to_thread(foundation.obstacle, instance):
        raise UnservableError(Exit.REFUSED, reason)
    config = _config(instance, obstacle)
    engine = Running(instance.roots, instance.host)
    try:
        await _begin(engine, instance, config)
        # A full collection would hold up accepting for as long as it takes to walk the manifest.
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        controller = _controller(engine, instance, state, watchman)
        await attend(controller, desired, engine.submissions, watchman)
    finally:
        systemd.stopping()
        await engine.leave()


def _config(instance: Instance, obstacle: ReconcileError | None) -> bytes:
    """What to start from: the last good generation, whatever kept the newest from being applied."""
    good = last_good(instance.host, instance.roots)
    if good is None and obstacle is not None:
        raise obstacle
    if good is None:
        raise UnservableError(Exit.REFUSED, "nothing has been applied yet; run `aimx apply` first")
    if good.trouble:
        log.error("engine config is damaged, its record is used", reason=good.trouble)
    return good.config


async def _begin(engine: Running, instance: Instance, config: bytes) -> None:
    try:
        await engine.begin(compiled(config, instance.host, instance.roots))
    except (BindError, StationError, RefusedError, WorkerGoneError, SilentError) as cause:
        raise UnservableError(Exit.ERROR, str(cause)) from cause


def _controller(
    engine: Running, instance: Instance, state: State, watchman: Watchman
) -> Controller:
    loop = asyncio.get_running_loop()
    activation = RunningActivation(engine, loop, instance.host, instance.roots)
    state.generation = engine.snapshot.id.generation
    state.active(engine.current)
    return Controller(instance, activation, lambda: engine.current, state, watchman.pulse(state))


def _first_apply(
    instance: Instance, desired: Desired, state: State, watched: Watched
) -> ReconcileError | None:
    """Before anybody is served: nobody runs yet who would have to prepare or swap.

    Gives what kept it from beginning. That is no reason not to serve what was applied before.
    """
    user = instance.host.user()
    consent = Consent(withheld=instance.automatic(desired) == "safe")
    alone = Alone(instance.host, instance.roots)
    who = Who(user.uid, user.name, "aimx serve")
    try:
        if instance.review(instance.in_force(), consent).plan.refused:
            return None  # Not even the lock is taken in a directory that the plan refuses.
        applied = instance.apply(None, alone, who, consent, watched)
    except ManifestError:
        return None  # It changed since it was read; the controller looks again at once.
    except ReconcileError as cause:
        log.error("nothing could be applied", reason=str(cause))
        return cause
    state.applied(applied)
    for receipt in applied.receipts:
        if receipt.reason:
            log.error("step not done", step=receipt.step, reason=receipt.reason)
    return None
