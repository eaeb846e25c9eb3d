"""One run of a hook: started, watched, and ended where whoever keeps it in its time does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from subprocess import Popen
from typing import Protocol, TypeAlias

from aimx.hooks.command import Command
from aimx.hooks.stream import Stream
from desired.frozen import frozen

GRACE_SECONDS = 5.0  # From SIGTERM to SIGKILL.


@frozen
class Ended:
    """It ran."""

    exit_code: int  # The negative number of the signal that ended it, if one did.
    duration_ms: int
    timed_out: bool
    stdout: bytes  # The end of what it wrote.
    stderr: bytes


@frozen
class NotRun:
    """The command was not run."""

    reason: str


Outcome: TypeAlias = Ended | NotRun


class NotStartedError(Exception):
    """Nothing could be started; says why."""


@frozen
class Started:
    """A process that leads its own session, and ends once all that it has started has ended.

    It keeps the time itself.
    """

    process: Popen[bytes]
    patience: float  # Seconds after which it has not kept it, and we end it ourselves.
    # Asked at the end: why the command was not run, else whether its time ran out; None: not known.
    verdict: Callable[[], NotRun | bool | None]
    halt: Callable[[], None]  # Asks for the end of all.
    forget: Callable[[], None]  # Called once it is over.


class Launcher(Protocol):
    """How a command becomes a process of its owner."""

    def start(
        self, command: Command, told: dict[str, str], message: int, out: int, err: int
    ) -> Started:
        """Start it with these streams, which stay the caller's; raises `NotStartedError`."""


async def run(
    launcher: Launcher,
    command: Command,
    told: dict[str, str],
    message: int,
    stopping: asyncio.Event,
    grace: float = GRACE_SECONDS,
) -> Outcome:
    """Run it to its end, or to the end of its time, or until `stopping` is set.

    The message's descriptor stays the caller's.
    """
    out, err = Stream(), Stream()
    begun = asyncio.get_running_loop().time()
    try:
        try:
            started = launcher.start(command, told, message, out.writing, err.writing)
        finally:
            out.handed_over()
            err.handed_over()
        try:
            code, late = await _watched(started, stopping, grace)
            duration = asyncio.get_running_loop().time() - begun
            verdict = started.verdict()
        finally:
            started.forget()
        # Who still holds the other end is none of the hook's: nobody waits for it.
        out.drain()
        err.drain()
    except NotStartedError as cause:
        return NotRun(str(cause))
    finally:
        out.close()
        err.close()
    if isinstance(verdict, NotRun):
        return verdict
    if verdict is None:
        verdict = code != 0 and duration >= command.timeout
    return Ended(code, round(duration * 1000), late or verdict, out.tail, err.tail)


async def _watched(started: Started, stopping: asyncio.Event, grace: float) -> tuple[int, bool]:
    """The exit code, and whether it was not ended in time."""
    process, ended = started.process, asyncio.Event()
    loop, watch = asyncio.get_running_loop(), os.pidfd_open(started.process.pid)

    def end() -> None:
        loop.remove_reader(watch)
        ended.set()

    loop.add_reader(watch, end)
    try:
        late = not await _any([ended, stopping], started.patience)
        if not ended.is_set():
            started.halt()
            if not await _any([ended], 2 * grace):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
        await ended.wait()
        code = process.wait()
        if code < 0:
            started.halt()  # Who waited for it was ended by somebody: it would go on unseen.
        return code, late
    finally:
        loop.remove_reader(watch)
        os.close(watch)


async def _any(events: Iterable[asyncio.Event], seconds: float) -> bool:
    """Whether one of them was set in time."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)
