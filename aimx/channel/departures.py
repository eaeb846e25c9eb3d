"""Who has left an inbound process: a pipe of their addresses, a line each.

Nobody waits for what comes, so that who writes wakes nobody. It is read when it matters who is
still there, and one read takes all that there is.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import deque
from contextlib import suppress

from aimx.channel.packets import MalformedError

# Octets that may wait in the pipe: more than the addresses of all clients of one process.
_ROOM = 256 * 1024


class Departed:
    """The supervisor's end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> list[str]:
        """Who has left since this was asked last; raises `MalformedError`."""
        try:
            lines = os.read(self._descriptor, _ROOM)
        except BlockingIOError:
            return []
        *peers, rest = lines.decode("latin-1").split("\n")
        if rest:
            raise MalformedError("a departure is cut short")
        return peers

    def close(self) -> None:
        os.close(self._descriptor)


class Departing:
    """The inbound process's end, in its loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unsaid: deque[str] = deque()
        self._awaits_room = False

    def tell(self, peer: str) -> None:
        """Say that a client has left; where there is no room, as soon as there is."""
        self._unsaid.append(peer)
        if not self._awaits_room:
            self._write()

    def _write(self) -> None:
        try:
            while self._unsaid:
                # A line each: what is not longer than a page is written whole, or not at all.
                os.write(self._descriptor, f"{self._unsaid[0]}\n".encode())
                self._unsaid.popleft()
        except BlockingIOError:
            if not self._awaits_room:
                asyncio.get_running_loop().add_writer(self._descriptor, self._write)
                self._awaits_room = True
            return
        except BrokenPipeError:
            self._unsaid.clear()  # The supervisor is gone, which is told elsewhere.
        if self._awaits_room:
            asyncio.get_running_loop().remove_writer(self._descriptor)
            self._awaits_room = False


def departures() -> tuple[Departed, int]:
    """A new pipe: our end, and the descriptor of the other, which is to be passed and closed."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with suppress(PermissionError):  # Whose user has many large ones gets a smaller one.
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _ROOM)
    return Departed(ours), theirs
