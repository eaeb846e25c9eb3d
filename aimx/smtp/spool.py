"""Where a message's content waits while it arrives: in memory while it is small, then on disk."""

from __future__ import annotations

import errno
import os
import secrets
from typing import BinaryIO

# Octets that one message may hold in memory before its end.
IN_MEMORY = 1024 * 1024

_FLAGS = os.O_RDWR | os.O_CLOEXEC
# What a file system says that cannot make a file without a name.
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class Spool:
    """Collects one content. `keep` and `content` raise OSError where the disk is full or broken."""

    __slots__ = ("_directory", "_file", "_pieces", "_size")

    def __init__(self, directory: int) -> None:
        """Above `IN_MEMORY` it becomes a file in the directory of this descriptor."""
        self._directory = directory
        self._file: BinaryIO | None = None
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def on_disk(self) -> int:
        """Octets that wait there; 0 while they are in memory."""
        return 0 if self._file is None else self._size

    def keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._pieces.append(piece)
        if self._size > IN_MEMORY:
            self._file = os.fdopen(unnamed(self._directory), "w+b")
            self._file.writelines(self._pieces)
            self._pieces.clear()

    def content(self, most: int = -1) -> bytes:
        """All that was kept, in one, or no more than so many octets from its beginning."""
        if self._file is None:
            return b"".join(self._pieces)[: most if most >= 0 else None]
        self._file.seek(0)
        return self._file.read(most)

    def close(self) -> None:
        """Forget all of it. Whoever has the content keeps the content."""
        self._pieces.clear()
        if self._file is not None:
            # Closing flushes; that the disk is full does not matter any more.
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                return


def unnamed(directory: int) -> int:
    """A descriptor of a new file that has no name, so that nothing is left of it after a crash."""
    try:
        return os.open(".", _FLAGS | os.O_TMPFILE, 0o600, dir_fd=directory)
    except OSError as cause:
        if cause.errno not in _NO_UNNAMED:
            raise
    return named_for_a_moment(directory)


def named_for_a_moment(directory: int) -> int:
    """The same, where the file system has no O_TMPFILE."""
    name = f".spool-{secrets.token_hex(16)}"
    descriptor = os.open(
        name, _FLAGS | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory
    )
    os.unlink(name, dir_fd=directory)
    return descriptor
