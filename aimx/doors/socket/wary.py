"""Clients that pass descriptors, where the kernel lets them (Linux before 6.16).

What a client passes is closed by whoever reads it, or closes the connection on which it lies
unread; and to close a connection may take as long as who made it likes (SO_LINGER). So whatever
comes with a descriptor is not read. A process that exits does not linger, so one of those closes
it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from contextlib import AbstractContextManager
from functools import partial
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from aimx.channel.packets import close_aside

_CHUNK = 1 << 16
_FEW = threading.Semaphore(4)  # Processes at a time, however many pass something.
_SOMETHING_PASSED = int(socket.MSG_CTRUNC)  # There was no room for it, since none was given.


class Listener(socket.socket):
    """Accepts connections that are wary."""

    def accept(self) -> tuple[Connection, Any]:
        accepted, address = super().accept()
        connection = Connection(fileno=accepted.detach())
        # Else a look passes over what was sent so, and reading drops it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        return connection, address


class Connection(socket.socket):
    """A stream that ends for us where the client passes something."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Raises `ConnectionAbortedError` where a descriptor comes next."""
        # Of what is only looked at nothing is taken over, and so nothing has to be closed. A look
        # does not go on behind what it was told of.
        octets, _, marks, _ = self.recvmsg(bufsize, 0, flags | socket.MSG_PEEK)
        if marks & _SOMETHING_PASSED:
            raise ConnectionAbortedError(errno.ECONNABORTED, "it passed a descriptor")
        return super().recv(len(octets), flags) if octets else octets

    def close(self) -> None:
        """Waits for nobody, whatever lies there unread."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)  # From here on nothing is added to it.
            if self._has_more_than_octets():
                close_aside(partial(_close, self.detach()))
        super().close()

    def _has_more_than_octets(self) -> bool:
        """Reads what comes before a descriptor that lies there."""
        try:
            while self.recv(_CHUNK, socket.MSG_DONTWAIT):
                pass
        except ConnectionAbortedError:
            return True
        except OSError:
            return False
        return False


def _close(descriptor: int) -> None:
    with _FEW, _last_to_have(descriptor):
        os.close(descriptor)


def _last_to_have(descriptor: int) -> AbstractContextManager[object]:
    """A process that exits once we have closed it. Without one that takes however long it takes."""
    try:
        return Popen(
            ["/bin/cat"], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, pass_fds=(descriptor,)
        )
    except OSError:
        return contextlib.nullcontext()
