"""Opening a message where its owner may have put anything by now: a link, or a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# What the kernel says where there is none, or something that its owner lets nobody open.
_NONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM}


def message(directory: int, stem: str, uid: int) -> tuple[int, str] | None:
    """The message of that stem in a mailbox, open, and its path there; None where there is none.

    An `OSError` where that cannot be told.
    """
    for path in (f"{stem}.md", f"{stem}/{stem}.md"):
        descriptor = _opened(directory, path, uid)
        if descriptor is not None:
            return descriptor, path
    return None


def is_message(found: os.stat_result, uid: int) -> bool:
    """Whether it is a regular file of the owner's own, of one name."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == uid


def _opened(directory: int, path: str, uid: int) -> int | None:
    bundle, slash, name = path.rpartition("/")
    try:
        if not slash:
            return _checked(os.open(name, READ, dir_fd=directory), uid)
        inside = os.open(bundle, DIRECTORY, dir_fd=directory)
        try:
            return _checked(os.open(name, READ, dir_fd=inside), uid)
        finally:
            os.close(inside)
    except OSError as failure:
        if failure.errno not in _NONE:
            raise
        return None


def _checked(descriptor: int, uid: int) -> int | None:
    with contextlib.suppress(OSError):
        if is_message(os.fstat(descriptor), uid):
            return descriptor
    os.close(descriptor)
    return None
