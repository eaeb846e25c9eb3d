"""What each process is started with: its descriptors, its user, its line to the placer.

A worker without the placer keeps its clients and answers 451; so the placer alone is started
anew at once, and everybody is given a line to the new one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import PurePosixPath
from subprocess import Popen, TimeoutExpired
from typing import TypeAlias

import structlog

from aimx.channel.attached import Attached
from aimx.channel.control import Logging, Measure, Measured
from aimx.channel.packets import Channel, Kind, Packet, close_all, pair
from aimx.metrics import table as metrics
from aimx.placing.control import (
    PLACER,
    Admit,
    Dismissed,
    Firing,
    FiringsDue,
    Idle,
    Ready,
    Role,
    Take,
)
from aimx.processes.servants import hand_over
from aimx.processes.start import start
from desired.frozen import frozen
from reconcilers.host.host import Account
from reconcilers.roots import Roots

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # May be a link, to where there is room.
_DIRECTORY = _ROOT | os.O_NOFOLLOW
_SETTLE_SECONDS = 120.0  # How long a placer may take over what an earlier one left.
_END_SECONDS = 10.0
_LOOK_SECONDS = 5.0  # How often the data directory is looked at: to mount a disk makes no event.
_NOWHERE = (0, 0, "")
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # Before each new try to start a placer, in seconds.

Said: TypeAlias = FiringsDue | Firing | Idle | Measured

log = structlog.get_logger()


class StationError(Exception):
    """The placer cannot be started; says why."""


@frozen
class Placers:
    """Who is told what becomes of placers."""

    replaced: Callable[[], None]  # A new one serves.
    moved: Callable[[], None]  # A new one serves, in another data directory than the last.
    gone: Callable[[], None]  # One has died.
    dismissed: Callable[[str], None]  # This worker broke the rules of its line to the placer.
    heard: Callable[[Said, tuple[int, ...]], None]  # Of firings, or what it has counted.


class Station:
    """Starts processes, and keeps a placer running."""

    def __init__(self, roots: Roots, told: Placers) -> None:
        self._roots = roots
        self._told = told
        self._placer: Popen[bytes] | None = None
        self._control: Attached | None = None
        self._ready = asyncio.Event()
        self._closing = False
        self._again: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._directory = _NOWHERE  # Where the placer places.
        self._moved = False  # That is no longer the data directory.

    async def open(self) -> None:
        """Start the placer and wait until it serves; raises `StationError`."""
        self._begin()
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise StationError("the placer does not answer") from None
        if self._control is None:
            raise StationError("the placer ended at once; the log says why")
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watched())

    async def start(
        self, role: str, user: Account, beside: Account | None
    ) -> tuple[Popen[bytes], Channel]:
        """Run a worker as this user, and give our end of its control channel.

        `beside`: as whom others of the role run for a while yet.
        """
        # Rootless everybody is the one user that we are already.
        become = user if os.geteuid() == 0 else None
        with _opened(self._own(role), _DIRECTORY) as descriptor:
            if become is not None:
                await asyncio.to_thread(hand_over, descriptor, become, beside)
            return await _started(role, {"spool": descriptor}, become)

    async def hand_over(self, role: str, user: Account) -> None:
        """Nobody else works in the role's directory any more; raises `OSError`."""
        with _opened(self._own(role), _DIRECTORY) as descriptor:
            await asyncio.to_thread(hand_over, descriptor, user)

    def _own(self, role: str) -> PurePosixPath:
        """The directory of those of a role."""
        return {"inbound": self._roots.spool, "outbound": self._roots.outbound}[role]

    async def introduce(self, worker: str, role: str, user: Account, end: Channel) -> None:
        """Let the placer serve a worker at this end; it is not ours afterwards."""
        if self._control is None:
            return  # Everybody is introduced to the next one.
        admit = Admit(worker, Role(role), user.uid)
        try:
            await self._control.send(PLACER.encode(admit), (end.fileno(),))
        except ConnectionError:
            log.warning("placer was gone already", worker=admit.worker)

    async def tell(self, message: Take | Measure | Logging) -> bool:
        """Ask or tell the placer something; False while there is none."""
        if self._control is None:
            return False
        try:
            await self._control.send(PLACER.encode(message))
        except ConnectionError:
            return False
        return True

    @property
    def placer(self) -> str:
        """The name of the one that serves; empty while there is none."""
        return f"placer-{self._placer.pid}" if self._placer and self._ready.is_set() else ""

    async def close(self) -> None:
        """The placer finishes its batch and goes."""
        self._closing = True
        for task in (self._again, self._watching):
            if task is not None:
                task.cancel()
        if self._control is not None:
            self._control.close()
        if self._placer is not None:
            await asyncio.to_thread(_awaited, self._placer)

    def _begin(self) -> None:
        self._ready.clear()
        ours, theirs = pair(Kind.CONTROL)
        try:
            with _opened(self._roots.data, _ROOT) as data:
                before, self._directory = self._directory, _identity(data)
                self._moved |= before not in (_NOWHERE, self._directory)
                self._placer = start("placer", {"control": theirs.fileno(), "data": data}, None)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._control = Attached(ours, self._received, self._ended)

    def _received(self, packet: Packet) -> None:
        message: Ready | Dismissed | Said = PLACER.decode(packet.payload)
        if isinstance(message, FiringsDue | Firing | Idle | Measured):
            self._told.heard(message, packet.descriptors)
            return
        close_all(packet.descriptors)
        match message:
            case Ready():
                self._ready.set()
            case Dismissed(worker, reason):
                log.error("worker was dismissed by the placer", worker=worker, reason=reason)
                self._told.dismissed(worker)

    def _ended(self, reason: str) -> None:
        placer, self._placer, self._control = self._placer, None, None
        if self._moved:
            reason = f"{self._roots.data} is not what it was, or not there"
        if placer is not None:
            placer.kill()
            metrics.DEATHS.count("placer")
            log.error("process died", role="placer", code=placer.wait(), reason=reason)
        self._ready.set()  # Whoever waits in `open` learns that there is none.
        self._told.gone()
        if not self._closing and (self._again is None or self._again.done()):
            self._again = asyncio.get_running_loop().create_task(self._restarted())

    async def _restarted(self) -> None:
        """Start another one, and keep trying: a worker without a placer takes no mail."""
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            await asyncio.sleep(pause)
            try:
                await self.open()
            except (StationError, OSError) as failure:
                log.error("placer could not be started", reason=str(failure))
            else:
                break
        moved, self._moved = self._moved, False
        (self._told.moved if moved else self._told.replaced)()

    async def _watched(self) -> None:
        """Mail belongs where the data directory is by now, or nowhere while its disk is away: who
        places on one that nobody sees any more is ended."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self.placer and not await asyncio.to_thread(self._is_in_place):
                    self._moved = True
                    if self._placer is not None:
                        # Not waited for: a disk that hangs keeps a process from ending.
                        self._placer.kill()
            except Exception:
                log.exception("data directory not looked at")

    def _is_in_place(self) -> bool:
        """Whether the placer places in the data directory; where nobody can tell it does."""
        try:
            with _opened(self._roots.data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) as data:
                return _identity(data) == self._directory
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True


@contextmanager
def _opened(path: PurePosixPath, how: int) -> Iterator[int]:
    descriptor = os.open(path, how)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _started(
    role: str, descriptors: dict[str, int], user: Account | None
) -> tuple[Popen[bytes], Channel]:
    ours, theirs = pair(Kind.CONTROL)
    ours.take_no_descriptors()
    try:
        # In a thread: a fork of a large process takes its time.
        process = await asyncio.to_thread(
            start, role, {"control": theirs.fileno(), **descriptors}, user
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _identity(directory: int) -> tuple[int, int, str]:
    """Device, inode, and the mount that it is reached through: no link leads from one to another,
    though both be of one file system."""
    found = os.fstat(directory)
    with suppress(OSError), open(f"/proc/self/fdinfo/{directory}", "rb") as told:
        for line in told:
            if line.startswith(b"mnt_id:"):
                return found.st_dev, found.st_ino, line.decode()
    return found.st_dev, found.st_ino, ""


def _awaited(process: Popen[bytes]) -> None:
    try:
        process.wait(_END_SECONDS)
    except TimeoutExpired:
        process.kill()
        process.wait()
