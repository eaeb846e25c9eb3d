"""One packet of a Unix socket is one message between two processes, with its descriptors.

A channel carries one kind of message for life. A packet that breaks the rules raises
`MalformedError`; whoever gets that closes the channel.
"""

from __future__ import annotations

import array
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

VERSION = 1
LARGEST = 256 * 1024  # Octets of one payload.
MOST_DESCRIPTORS = 253  # The kernel's SCM_MAX_FD.

_HEADER = struct.Struct("!BBI")  # Version, kind, octets of the payload.
_ROOM = 4 * 1024 * 1024  # What may wait in a socket, in octets.
_ANCILLARY = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
# As plain numbers: to join two of Python's flags takes longer than a small packet.
_QUIETLY = int(socket.MSG_NOSIGNAL)  # Without it, who does not ignore SIGPIPE dies of a dead peer.
_AT_ONCE = int(socket.MSG_DONTWAIT)
_CLOSE_ON_EXEC = int(socket.MSG_CMSG_CLOEXEC)
_LOOKING = int(socket.MSG_PEEK)
_SOMETHING_PASSED = int(socket.MSG_CTRUNC)  # Where there is no room for it.
_DID_NOT_FIT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
# Beyond the limit of the system, for root: the socket module does not name these two.
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_SO_PASSRIGHTS = 83  # Likewise; since Linux 6.16.


class Kind(IntEnum):
    """What a channel carries."""

    CONTROL = 1  # Messages of a vocabulary, from and to the supervisor.
    PLACING = 2  # The frames of placing.


class MalformedError(Exception):
    """The other process broke the rules of the channel."""


class Packet(NamedTuple):
    """What one packet brought. The descriptors are the receiver's to close."""

    payload: bytes
    descriptors: tuple[int, ...] = ()


class Channel:
    """One end. It waits only in `send` and `receive`; it closes its socket when it is closed."""

    def __init__(self, end: socket.socket, kind: Kind) -> None:
        self._socket = end
        self._kind = kind
        self._room = memoryview(bytearray(_HEADER.size + LARGEST))
        self._looks_first = False

    @classmethod
    def of(cls, descriptor: int, kind: Kind) -> Channel:
        """Take over a descriptor that another process passed; closes it where it is no channel."""
        end = socket.socket(fileno=descriptor)
        if end.family != socket.AF_UNIX or end.type != socket.SOCK_SEQPACKET:
            end.close()
            raise MalformedError("the descriptor is not one end of a channel")
        return cls(end, kind)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Wait for room, then send. The descriptors stay the caller's.

        A `ConnectionError` says that the other end is gone.
        """
        self._send(payload, descriptors, 0)

    def send_now(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send, or raise `BlockingIOError` where there is no room now."""
        self._send(payload, descriptors, _AT_ONCE)

    def receive(self) -> Packet | None:
        """Wait for the next packet; None when the other end is closed."""
        return self._receive(0)

    def receive_now(self) -> Packet | None:
        """The next packet, or `BlockingIOError` where none waits; None as in `receive`."""
        return self._receive(_AT_ONCE)

    def take_no_descriptors(self) -> None:
        """The other end is not believed, and has none to pass: a packet with one is malformed.

        Where the kernel lets it come it is not read, since what came would have to be closed.
        """
        self._looks_first = not refuse_descriptors(self._socket)

    def close(self) -> None:
        if self._looks_first:
            let_go((self._socket.detach(),))  # With what lies there unread.
        else:
            self._socket.close()

    def _send(self, payload: bytes, descriptors: Sequence[int], flags: int) -> None:
        require_fits(payload, descriptors)
        header = _HEADER.pack(VERSION, self._kind, len(payload))
        ancillary = [_rights(descriptors)] if descriptors else []
        self._socket.sendmsg([header, payload], ancillary, flags | _QUIETLY)

    def _receive(self, flags: int) -> Packet | None:
        try:
            size, ancillary, marks = self._received(flags)
        except ConnectionResetError:
            # The other end was closed while something of ours was still unread. The kernel says so
            # once, before what that end had sent, which stands in the queue.
            size, ancillary, marks = self._received(flags)
        descriptors = _passed(ancillary) if ancillary else ()
        try:
            payload = self._payload(size, marks) if size else None
        except MalformedError:
            let_go(descriptors)
            raise
        if payload is None:
            let_go(descriptors)
            return None
        return Packet(payload, descriptors)

    def _received(self, flags: int) -> tuple[int, list[tuple[int, int, bytes]], int]:
        if self._looks_first:
            self._require_octets_alone(flags)
        return self._socket.recvmsg_into([self._room], _ANCILLARY, flags | _CLOSE_ON_EXEC)[:3]

    def _require_octets_alone(self, flags: int) -> None:
        # Of what is only looked at nothing is taken over, and so nothing has to be closed.
        marks = self._socket.recvmsg(0, 0, flags | _LOOKING)[2]
        if marks & _SOMETHING_PASSED:
            raise MalformedError("it passed a descriptor where none is taken")

    def _payload(self, size: int, marks: int) -> bytes:
        if marks & _DID_NOT_FIT:
            raise MalformedError("a packet, or its descriptors, did not fit")
        if size < _HEADER.size:
            raise MalformedError(f"a packet of {size} octets has no header")
        version, kind, length = _HEADER.unpack_from(self._room)
        if (version, kind) != (VERSION, self._kind):
            raise MalformedError(
                f"a packet of version {version} and kind {kind} came where"
                f" {VERSION} and {int(self._kind)} are spoken"
            )
        if length != size - _HEADER.size:
            raise MalformedError(f"a packet of {size} octets announces {length}")
        return bytes(self._room[_HEADER.size : size])


def pair(kind: Kind) -> tuple[Channel, Channel]:
    """Both ends of a new channel. Neither is inherited over exec unless it is asked for."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        _enlarge(end)
    return Channel(ends[0], kind), Channel(ends[1], kind)


def refuse_descriptors(end: socket.socket) -> bool:
    """For an end, or one that listens, whose other end is not believed and has none to pass.

    Also what nobody takes is closed by whoever reads, and that may wait for as long as its sender
    likes: SO_LINGER says so. False where the kernel lets everybody pass them (before Linux 6.16).
    """
    try:
        end.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)
    except OSError:
        return False
    return True


def require_fits(payload: bytes, descriptors: Sequence[int]) -> None:
    """Raises `ValueError` for what no packet holds."""
    if len(payload) > LARGEST or len(descriptors) > MOST_DESCRIPTORS:
        raise ValueError(
            f"{len(payload)} octets with {len(descriptors)} descriptors fit into no packet"
        )


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors that nobody wants."""
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            continue


def require_files(descriptors: Sequence[int]) -> None:
    """Raises `MalformedError` where one is no file that we may look at, and lets go of all."""
    if not _are_files(descriptors):
        close_aside(partial(close_all, descriptors))
        raise MalformedError("it passed something that is no file")


def let_go(descriptors: Sequence[int]) -> None:
    """Close what somebody passed who is not believed, and wait for none of it."""
    if _are_files(descriptors):
        close_all(descriptors)
    else:
        close_aside(partial(close_all, descriptors))


def close_aside(close: Callable[[], object]) -> None:
    """In a thread of its own, where nobody waits for it.

    To close a connection may take as long as its sender likes (SO_LINGER), and so may to close
    the one by which it is still to be passed.
    """
    try:
        threading.Thread(target=close, daemon=True).start()
    except RuntimeError:  # There is no thread to be had.
        close()


def _are_files(descriptors: Iterable[int]) -> bool:
    try:
        return all(stat.S_ISREG(os.fstat(each).st_mode) for each in descriptors)
    except OSError:
        return False


def _enlarge(end: socket.socket) -> None:
    for forced, ordinary in (
        (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
        (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
    ):
        try:
            end.setsockopt(socket.SOL_SOCKET, forced, _ROOM)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, ordinary, _ROOM)


def _rights(descriptors: Sequence[int]) -> tuple[int, int, array.array[int]]:
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors)


def _passed(ancillary: Iterable[tuple[int, int, bytes]]) -> tuple[int, ...]:
    found = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return tuple(found)
