"""`aimx serve`: applies the manifest, starts the engine, watches, and answers at the socket."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version

import structlog

from aimx.controller import foundation
from aimx.controller.activation import Running as RunningActivation
from aimx.controller.alone import Alone
from aimx.controller.compiled import compiled
from aimx.controller.good import last_good
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.pulse import Pulse
from aimx.controller.state import State
from aimx.controller.terms import Consent, Watched
from aimx.doors.daemon import Daemon
from aimx.doors.direct import named
from aimx.doors.exits import Exit
from aimx.doors.socket.server import Door
from aimx.doors.socket.verbs import Verbs
from aimx.processes import logs
from aimx.processes.activation import RefusedError
from aimx.processes.engine import Running
from aimx.processes.listening import BindError
from aimx.processes.notify import Service, service
from aimx.processes.station import StationError
from aimx.processes.worker import SilentError, WorkerGoneError
from aimx.snapshot import Snapshot
from desired.desired import Desired
from desired.engine_config import header
from desired.problem import ManifestError, render_problem
from reconcilers.generations import Who
from reconcilers.host.host import Access, ReconcileError
from reconcilers.kinds.layout import VERSION
from reconcilers.locks import LockHeldError, daemon_lock

log = structlog.get_logger()

# What is large here, the manifest and what is made of it, has no cycles.
_COLLECT = (20_000, 50, 100)


class UnservableError(Exception):
    """The daemon cannot start; what to print, and the exit code."""

    def __init__(self, exit_code: Exit, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def serve(roots: Mapping[str, str], *, may_move: bool) -> int:
    """Run until told to stop; gives the exit code."""
    logs.configure()
    try:
        asyncio.run(_serve(Instance.of(named(roots)), may_move=may_move))
    except UnservableError as cause:
        log.critical("cannot serve", reason=str(cause))
        return cause.exit_code
    return Exit.DONE


async def _serve(instance: Instance, *, may_move: bool) -> None:
    stop = _signals()
    desired = _desired(instance)
    if desired is not None:
        logs.configure(desired.log.level, desired.log.format)
        instance = instance.moved(desired) if may_move else instance
    try:
        with daemon_lock(instance.host, instance.roots, "aimx serve"):
            await _served(instance, desired, stop)
    except LockHeldError as cause:
        raise UnservableError(Exit.LOCKED, str(cause)) from cause
    except ReconcileError as cause:
        raise UnservableError(Exit.ERROR, str(cause)) from cause


async def _served(instance: Instance, desired: Desired | None, stop: asyncio.Event) -> None:
    _require_our_layout(instance)
    state, systemd = State.after(instance), service()
    suspended = instance.intents().suspension is not None
    obstacle = None
    if desired is not None and not suspended and instance.automatic(desired) != "none":
        watched = Watched(stop.is_set, lambda _, step, steps: systemd.starting(step, steps))
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
        await _attend(engine, instance, state, desired, stop, systemd)
    finally:
        systemd.stopping()
        await engine.leave()


def _require_our_layout(instance: Instance) -> None:
    """What an unknown layout means for where mail belongs, nobody can tell."""
    marker = instance.roots.marker
    remedy = f"if {instance.roots.data} is of this release, write {VERSION} into it"
    try:
        said = instance.host.read(marker)
    except ReconcileError as cause:
        raise UnservableError(Exit.REFUSED, f"{cause} Then, {remedy}.") from cause
    if said is not None and said.strip() != VERSION.encode():
        shown = said[:40].decode("ascii", "backslashreplace")
        text = f"{marker} says {shown!r} where only {VERSION!r} is known; {remedy}"
        raise UnservableError(Exit.REFUSED, text)


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


async def _attend(
    engine: Running,
    instance: Instance,
    state: State,
    desired: Desired | None,
    stop: asyncio.Event,
    systemd: Service,
) -> None:
    """The doors are open and the manifest is watched, until somebody says stop."""
    loop = asyncio.get_running_loop()
    activation = RunningActivation(engine, loop, instance.host, instance.roots)
    pulse = Pulse(systemd.every, systemd.beat, lambda: systemd.settled(state.sentence))
    controller = Controller(instance, activation, lambda: engine.current, state, pulse)
    state.generation = engine.snapshot.id.generation
    state.active(engine.current)
    verbs = Verbs(
        administrator=os.geteuid(),
        version=version("aimx-mail"),
        administration=Daemon(controller),
        submission=engine.submissions,
    )
    door = Door(verbs.answer)
    await door.open(instance.roots.socket)
    loop.add_signal_handler(signal.SIGHUP, _reload, systemd, controller)
    debounce = desired.controller.debounce.total_seconds() if desired else 0.1
    watching = asyncio.create_task(controller.run(debounce))
    _say_ready(instance, engine.snapshot)
    systemd.ready(state.sentence)
    try:
        await stop.wait()
        log.info("stopping")
    finally:
        loop.add_signal_handler(signal.SIGHUP, _unheard)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await door.close()
        with suppress(OSError):
            os.unlink(instance.roots.socket)


def _desired(instance: Instance) -> Desired | None:
    """What the manifest says; None where it is invalid and there is a generation to go on with."""
    try:
        return instance.read(instance.sources()).desired
    except ManifestError as cause:
        told = "\n\n".join(render_problem(problem) for problem in cause.problems)
        try:
            good = last_good(instance.host, instance.roots)
        except ReconcileError as lost:
            raise UnservableError(Exit.INVALID, f"{told}\n\n{lost}") from cause
        if good is None or header(good.config) is None:
            raise UnservableError(Exit.INVALID, told) from cause
        log.error("manifest is invalid, the last good generation goes on", problems=told)
        return None


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


def _say_ready(instance: Instance, snapshot: Snapshot) -> None:
    user = instance.host.user()
    ours, access = f"{os.getpid()}\n".encode(), Access(0o644, user.uid, user.gid)
    try:
        instance.host.replace(instance.roots.pid, ours, access)
    except ReconcileError as cause:  # Only people and scripts read it.
        log.warning("pid not written", reason=str(cause))
    log.info("serving", generation=snapshot.id.generation, domains=snapshot.domains)


def _reload(systemd: Service, controller: Controller) -> None:
    systemd.reloading()
    controller.nudge()


def _unheard() -> None:
    """SIGHUP before the doors are open, or after: everything is looked at, or nothing any more."""


def _signals() -> asyncio.Event:
    """Set when somebody wants us to stop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _unheard)
    return stop
