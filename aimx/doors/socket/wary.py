"""Clients that pass descriptors, where the kernel lets them (Linux before 6.16).

What a client passes is closed by whoever reads it, or closes the connection on which it lies
unread; and to close a connection may take as long as who made it likes (SO_LINGER). So whatever
comes with a descriptor is not read. A process that exits does not linger, so one of those closes
it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import threading
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

_SOMETHING_PASSED = int(socket.MSG_CTRUNC)  # There was no room for it, since none was given.


class Listener(socket.socket):
    """Accepts connections that are wary."""

    def accept(self) -> tuple[Connection, Any]:
        accepted, address = super().accept()
        return Connection(fileno=accepted.detach()), address


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

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `recv`."""
        octets = self.recv(nbytes or len(buffer), flags)
        buffer[: len(octets)] = octets
        return len(octets)

    def close(self) -> None:
        """Waits for nobody, whatever lies there unread."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)  # From here on nothing is added to it.
            if _has_unread(self):
                threading.Thread(target=_close, args=(self.detach(),), daemon=True).start()
        super().close()


def _has_unread(connection: socket.socket) -> bool:
    (octets,) = struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))
    return bool(octets)


def _close(descriptor: int) -> None:
    """A process is the last that has it, and exits once it is."""
    try:
        last = Popen(
            ["/bin/cat"], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, pass_fds=(descriptor,)
        )
    except OSError:
        os.close(descriptor)  # However long that takes this thread.
        return
    with last:
        os.close(descriptor)
