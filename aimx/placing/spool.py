"""Where a worker writes what is too large for a packet: files without a name, passed read-only."""

from __future__ import annotations

import errno
import os
import secrets

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


class Spool:
    """The worker's own directory, which is on the file system of the mailboxes."""

    def __init__(self, directory: int) -> None:
        self._directory = directory

    def hold(self, content: bytes) -> int:
        """A descriptor that can only be read, on a file that has no name any more."""
        writing, name = self._new()
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(writing, rest) :]
            return os.open(f"/proc/self/fd/{writing}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            # The placer refuses a file that anybody can still write to.
            os.close(writing)
            if name is not None:
                os.unlink(name, dir_fd=self._directory)

    def _new(self) -> tuple[int, str | None]:
        flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
        try:
            return os.open(".", flags, 0o600, dir_fd=self._directory), None
        except OSError as failure:
            if failure.errno not in _NO_UNNAMED:
                raise
        name = f"held-{secrets.token_hex(8)}"
        return os.open(name, _NEW, 0o600, dir_fd=self._directory), name
