"""What a daemon does before it opens its doors: one for an instance, and the right one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from aimx import logs
from aimx.controller.instance import Instance
from aimx.controller.last_good import last_good
from aimx.doors.direct import named
from aimx.doors.exits import Exit
from aimx.doors.refusal import ALL_PROBLEMS
from desired.desired import Desired
from desired.engine_config import header
from desired.problem import ManifestError, render_problems
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.kinds.layout import VERSION
from reconcilers.locks import LockHeldError, daemon_lock

log = structlog.get_logger()

_LOOK_SECONDS = 2.0  # How often a disk that is awaited is looked for.


class UnservableError(Exception):
    """The daemon cannot start; what to print, and the exit code."""

    def __init__(self, exit_code: Exit, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def run(work: Coroutine[Any, Any, Exit]) -> int:
    """Run until told to stop; gives the exit code."""
    logs.configure()
    try:
        return asyncio.run(work)
    except UnservableError as cause:
        log.critical("cannot serve", reason=str(cause))
        return cause.exit_code


@asynccontextmanager
async def opened(
    roots: Mapping[str, str], command: str, *, may_move: bool
) -> AsyncIterator[tuple[Instance, Desired | None]]:
    """The instance, which no other daemon has meanwhile; and its manifest, unless it is invalid.

    `may_move`: the manifest may say where the mail is, since nobody else did.
    """
    instance = Instance.of(named(roots))
    desired = said(instance)
    if desired is not None:
        logs.change(desired.log.level, desired.log.format)
        instance = instance.moved(desired) if may_move else instance
    try:
        with daemon_lock(instance.host, instance.roots, command):
            require_our_layout(instance)
            yield instance, desired
    except LockHeldError as cause:
        raise UnservableError(Exit.LOCKED, str(cause)) from cause
    except ReconcileError as cause:
        raise UnservableError(Exit.ERROR, str(cause)) from cause


async def awaited(
    instance: Instance,
    stop: asyncio.Event,
    waiting: Callable[[str], None],
    every: float = _LOOK_SECONDS,
) -> bool:
    """Wait for the data directory, whose disk may be mounted later than we are started.

    Gives whether it is there, and not somebody who says stop; `waiting` is told at each look.
    """
    gone = await asyncio.to_thread(instance.absence)
    if not gone:
        return True
    log.error("data directory is gone, and is waited for", reason=gone)
    while not await asyncio.to_thread(_is_back, instance):
        waiting("waiting for the data directory")
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await stop.wait()
                return False
    return True


def _is_back(instance: Instance) -> bool:
    """It is there, and nobody is in the midst of making it anew."""
    if instance.absence():
        return False
    user = instance.host.user()
    try:
        with instance.locked(Who(user.uid, user.name, "waiting for the data directory")):
            return True
    except LockHeldError:
        return False
    except ReconcileError:
        return True  # What is the matter is told of what is begun with it.


def require_there(instance: Instance) -> None:
    """For whoever does not wait."""
    if gone := instance.absence():
        raise UnservableError(Exit.REFUSED, gone)


def signals() -> asyncio.Event:
    """Set when somebody wants us to stop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, unheard)
    return stop


def unheard() -> None:
    """SIGHUP before the doors are open, or after: everything is looked at, or nothing any more."""


def said(instance: Instance) -> Desired | None:
    """What the manifest says; None where it is invalid and there is a generation to go on with."""
    try:
        return instance.read(instance.sources()).desired
    except ManifestError as cause:
        told = render_problems(cause.problems, elsewhere=ALL_PROBLEMS)
        try:
            good = last_good(instance.host, instance.roots)
        except ReconcileError as lost:
            raise UnservableError(Exit.INVALID, f"{told}\n\n{lost}") from cause
        if good is None or header(good.config) is None:
            raise UnservableError(Exit.INVALID, told) from cause
        number, first = len(cause.errors), str(cause.errors[0])
        log.error(
            "manifest is invalid, the last good generation goes on", problems=number, first=first
        )
        return None


def require_our_layout(instance: Instance) -> None:
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
