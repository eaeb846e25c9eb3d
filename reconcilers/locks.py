"""Who may change an instance, and who may serve it: one at a time, free when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import PurePosixPath

from desired.frozen import asdict, frozen
from reconcilers.host.anchors import Anchors
from reconcilers.host.host import Host, ReconcileError, StepError, UnseenError
from reconcilers.host.sentences import changing
from reconcilers.records import parsed, rfc3339
from reconcilers.roots import Roots
from reconcilers.state import (
    make_absent,
    make_state,
    private_file,
    require_ours,
    require_there,
)

# A child that got the descriptor would hold the lock for as long as it lives.
_OPENING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Holder:
    """Who took a lock, as it said itself: for display, the kernel alone knows who holds it."""

    pid: int
    uid: int
    command: str
    since: datetime

    def __str__(self) -> str:
        return (
            f"process {self.pid} of uid {self.uid} (`{self.command}`,"
            f" since {rfc3339(self.since, 'seconds')})"
        )


class LockHeldError(ReconcileError):
    """Somebody else is at it."""

    def __init__(self, lock: PurePosixPath, holder: Holder | None) -> None:
        who = str(holder) if holder else "another process"
        super().__init__(f"{lock}: is held by {who}. Wait until it is done, or stop it.")
        self.holder = holder


@contextmanager
def apply_lock(host: Host, roots: Roots, command: str, *, anew: bool = False) -> Iterator[None]:
    """Nobody else changes the instance meanwhile; raises `LockHeldError` where somebody does.

    Where the instance is another user's, nothing is touched, and `ReconcileError` says so.

    On a fresh machine it makes the directory that the lock is in; where there was one before, it
    raises `GoneError`, unless that is to be made `anew`.
    """
    require_ours(host, roots)
    if not anew:
        with suppress(UnseenError):  # Of what keeps somebody out the lock tells more.
            require_there(host, roots)
    make_state(host, roots, anew=anew)
    with _held(host, roots, roots.lock, command):
        yield


@contextmanager
def daemon_lock(host: Host, roots: Roots, command: str) -> Iterator[None]:
    """Nobody else serves the instance meanwhile; raises as `apply_lock` does."""
    require_ours(host, roots)
    make_absent(host, roots.runtime, 0o755)
    with _held(host, roots, roots.daemon_lock, command):
        yield


@contextmanager
def _held(host: Host, roots: Roots, lock: PurePosixPath, command: str) -> Iterator[None]:
    record = lock.with_name(f"{lock.name}.holder")
    with _opened(roots, lock) as descriptor:
        _take(descriptor, host, lock, record)
        try:
            host.replace(record, _written(host, command), private_file(host))
        except StepError:
            # A full disk must not keep anybody from making room, and who died before is not us.
            with suppress(StepError):
                host.remove_file(record)
        try:
            yield
        finally:
            with suppress(StepError):
                host.remove_file(record)


@contextmanager
def _opened(roots: Roots, lock: PurePosixPath) -> Iterator[int]:
    with changing(lock), Anchors(roots).parent(lock) as (parent, name):
        descriptor = os.open(name, _OPENING, 0o600, dir_fd=parent)
    try:
        with changing(lock):
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        # A child between fork and exec has it too, and would keep the lock for that moment.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _take(descriptor: int, host: Host, lock: PurePosixPath, record: PurePosixPath) -> None:
    with changing(lock):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(host, record)
            raise LockHeldError(lock, holder if holder and _lives(holder.pid) else None) from None


def _lives(pid: int) -> bool:
    """Whether there is such a process; what a killed holder left says nothing of the one now."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # Another user's.
        return True
    return pid > 0


def _written(host: Host, command: str) -> bytes:
    holder = Holder(os.getpid(), os.getuid(), command, host.now())
    fields = asdict(holder) | {"since": rfc3339(holder.since)}
    return json.dumps(fields).encode() + b"\n"


def _read(host: Host, record: PurePosixPath) -> Holder | None:
    """Who it is, unless it has not said so yet."""
    with suppress(ReconcileError, ValueError, KeyError, TypeError):
        fields = parsed(host.read(record) or b"")
        return Holder(**(fields | {"since": datetime.fromisoformat(fields["since"])}))
    return None
