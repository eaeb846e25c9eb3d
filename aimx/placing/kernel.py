"""Flushing by the kernel's asynchronous I/O (io_submit(2)): many files in one call, side by side.

A thread that flushes wants the interpreter back twice for each file, from everybody else who wants
it. The kernel's own workers want nothing: half of the processor time, and no slower on any disk.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Sequence

AT_ONCE = 256  # On the way at a time.

# By machine: io_setup, io_submit, io_getevents. libc has no names for them.
_CALLS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4), "riscv64": (0, 2, 4)}
_FSYNC = 2  # IOCB_CMD_FSYNC of linux/aio_abi.h, as are the next two.


class _Request(ctypes.Structure):
    """`struct iocb`, on a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),  # Ours: which of the descriptors.
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("descriptor", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("event_descriptor", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """`struct io_event`."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),  # 0, or a negative errno.
        ("more", ctypes.c_int64),
    )


class KernelFlushes:
    """One for the process, and one batch at a time: what is begun is waited for."""

    def __init__(self, context: ctypes.c_ulong, submit: int, await_: int) -> None:
        self._context = context
        self._submit = submit
        self._await = await_
        self._requests = (_Request * AT_ONCE)()
        self._pointers = (ctypes.POINTER(_Request) * AT_ONCE)(*map(ctypes.pointer, self._requests))
        self._events = (_Event * AT_ONCE)()
        self._begun: list[int] = []
        self._failures: dict[int, OSError] = {}

    def begin(self, descriptors: Sequence[int]) -> None:
        """Have these flushed, each once. The kernel knows the files, so that they may be closed."""
        self._begun, self._failures = list(descriptors[:AT_ONCE]), {}
        for at, descriptor in enumerate(self._begun):
            request = self._requests[at]
            request.data, request.opcode, request.descriptor = at, _FSYNC, descriptor
        taken = max(_call(self._submit, self._context, len(self._begun), self._pointers), 0)
        # Where one is not taken, such as of a file system that cannot do this, the rest is not.
        left = [*self._begun[taken:], *descriptors[AT_ONCE:]]
        del self._begun[taken:]
        for descriptor in left:
            self._flush(descriptor)

    def ended(self) -> dict[int, OSError]:
        """Wait for all of them; gives by descriptor what could not be flushed, and why."""
        awaited = len(self._begun)
        while awaited:
            came = _call(self._await, self._context, awaited, awaited, self._events, None)
            if came < 0 and ctypes.get_errno() != errno.EINTR:
                # Nobody can say any more what is on disk.
                raise OSError(ctypes.get_errno(), "waiting for flushes")
            awaited -= max(came, 0)
            for event in self._events[: max(came, 0)]:
                if event.result < 0:
                    failure = OSError(-event.result, os.strerror(-event.result))
                    self._failures[self._begun[event.data]] = failure
        return self._failures

    def _flush(self, descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as failure:
            self._failures[descriptor] = failure


def kernel_flushes() -> KernelFlushes | None:
    """None where the kernel, or what confines us, does not offer it."""
    calls = _CALLS.get(platform.machine())
    context = ctypes.c_ulong(0)
    if calls is None or _call(calls[0], AT_ONCE, ctypes.byref(context)) < 0:
        return None
    return KernelFlushes(context, calls[1], calls[2])


_SYSCALL = ctypes.CDLL(None, use_errno=True).syscall
_SYSCALL.restype = ctypes.c_long


def _call(number: int, *arguments: object) -> int:
    numbers = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result: int = _SYSCALL(ctypes.c_long(number), *numbers)
    return result
