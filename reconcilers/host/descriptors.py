"""Files by descriptor: opening, reading and writing them, and what counts as one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from reconcilers.host.host import LARGEST_FILE
from reconcilers.host.sentences import told

ENTERING = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW  # A directory, and no link to one.


@contextmanager
def opened(name: str, parent: int | None, flags: int) -> Iterator[int]:
    """A descriptor of what bears the name in a directory; closed with the block."""
    descriptor = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """All of a regular file, unless it is too large."""
    size = require_file(descriptor)
    if size <= LARGEST_FILE:
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        with open(descriptor, "rb", closefd=False) as file:  # It grows, or came in parts.
            content += file.read(LARGEST_FILE + 1 - len(content))
        if len(content) <= LARGEST_FILE:
            return content
    raise told(errno.EFBIG)


def read_part(descriptor: int, start: int, octets: int) -> bytes:
    """So many octets of a regular file, fewer at its end; a start below zero counts from there."""
    require_file(descriptor)
    if start < 0:
        start = max(os.fstat(descriptor).st_size + start, 0)
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(start)
        return file.read(octets)


def write_all(descriptor: int, content: bytes) -> None:
    """All of it: the kernel may take less at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def require_file(descriptor: int) -> int:
    """Refuse a directory, and what would block or act when it is read; gives a file's size."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise told(errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.ENXIO)
    return found.st_size
