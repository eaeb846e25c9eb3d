"""One process at a time in a directory that a process keeps databases in."""

from __future__ import annotations

import fcntl
import os

import structlog

log = structlog.get_logger()


def hold(directory: int) -> None:
    """Wait until whoever had it is gone, and have it for life: nothing gives the lock back."""
    lock = os.open(
        "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for the last one to leave")
        fcntl.flock(lock, fcntl.LOCK_EX)
