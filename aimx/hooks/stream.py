"""The end of what a process writes: read as it comes, however much it is, and kept in bounds."""

from __future__ import annotations

import asyncio
import os

MOST = 64 * 1024  # Octets that are kept.
_READ = 64 * 1024
_MOST_IN_A_PIPE = 16  # Times that much: what a pipe may hold.


class Stream:
    """A pipe in the running loop: the process has the writing end, and we read the other."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reading, self._read)
        self._is_open = True
        self._tail = bytearray()

    @property
    def tail(self) -> bytes:
        return bytes(self._tail)

    def handed_over(self) -> None:
        """The process has its copy of the writing end, or there will be none."""
        os.close(self.writing)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._reading)
            os.close(self._reading)

    def drain(self) -> None:
        """Take what was written so far."""
        for _ in range(_MOST_IN_A_PIPE):
            if self._is_open:
                self._read()

    def _read(self) -> None:
        try:
            found = os.read(self._reading, _READ)
        except BlockingIOError:
            return
        if not found:
            self.close()
            return
        self._tail += found
        del self._tail[:-MOST]
