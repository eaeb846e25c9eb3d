"""One process at a time in a directory that a process keeps databases in."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import structlog

from aimx.processes.start import StartError

log = structlog.get_logger()


def hold(directory: int) -> None:
    """Wait until whoever had it is gone, and have it for life: nothing gives the lock back.

    Raises `StartError`.
    """
    try:
        lock = os.open(
            "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
        )
    except OSError as cause:
        path = Path(f"/proc/self/fd/{directory}").readlink()
        raise StartError(
            f"{path / 'lock'}: {cause.strerror}. All in {path} must be the user's with uid"
            f" {os.geteuid()}; `chown -R {os.geteuid()}:{os.getegid()} {path}` makes it so"
        ) from cause
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for the last one to leave")
        fcntl.flock(lock, fcntl.LOCK_EX)
