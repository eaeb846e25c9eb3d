"""Flushing by the kernel's asynchronous I/O (io_submit(2)): many files in one call, side by side.

A thread that flushes wants the interpreter back twice for each file, from everybody else who wants
it. The kernel's own workers want nothing: half of the processor time, and no slower on any disk.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True, eq=False)
class KernelFlush:
    """A flush of which the kernel has still some files to do."""

    kernel: KernelFlushes
    left: int = 0
    failures: dict[int, OSError] = field(default_factory=dict)

    def ended(self) -> Mapping[int, OSError]:
        while self.left:
            self.kernel.collect(self.left)
        return self.failures


class KernelFlushes:
    """One for the process. Several flushes may be on the way."""

    def __init__(self, context: ctypes.c_ulong, submit: int, await_: int) -> None:
        self._context = context
        self._submit = submit
        self._await = await_
        self._requests = (_Request * AT_ONCE)()
        self._pointers = (ctypes.POINTER(_Request) * AT_ONCE)(*map(ctypes.pointer, self._requests))
        self._events = (_Event * AT_ONCE)()
        self._numbers = itertools.count()
        self._begun: dict[int, tuple[KernelFlush, int]] = {}  # The flush and the descriptor.

    def begin(self, descriptors: Sequence[int]) -> KernelFlush:
        """Have these flushed, each once. The kernel knows the files, so that they may be closed."""
        flush = KernelFlush(self)
        numbers = [next(self._numbers) for _ in descriptors[:AT_ONCE]]
        for request, number, descriptor in zip(self._requests, numbers, descriptors, strict=False):
            request.data, request.opcode, request.descriptor = number, _FSYNC, descriptor
            self._begun[number] = flush, descriptor
        taken = 0
        if numbers:
            taken = max(_call(self._submit, self._context, len(numbers), self._pointers), 0)
        flush.left = taken
        for number in numbers[taken:]:
            del self._begun[number]
        # Where one is not taken, such as of a file system that cannot do this, the rest is not.
        if taken < len(descriptors):
            _flush_now(descriptors[taken:], flush.failures)
        return flush

    def collect(self, least: int) -> None:
        """Wait until so many have ended, of whichever flush."""
        came = _call(self._await, self._context, least, AT_ONCE, self._events, None)
        if came < 0 and ctypes.get_errno() != errno.EINTR:
            # Nobody can say any more what is on disk.
            raise OSError(ctypes.get_errno(), "waiting for flushes")
        for event in self._events[: max(came, 0)]:
            flush, descriptor = self._begun.pop(event.data)
            flush.left -= 1
            if event.result < 0:
                flush.failures[descriptor] = OSError(-event.result, os.strerror(-event.result))


def kernel_flushes() -> KernelFlushes | None:
    """None where the kernel, or what confines us, does not offer it."""
    calls = _CALLS.get(platform.machine())
    context = ctypes.c_ulong(0)
    if calls is None or _call(calls[0], AT_ONCE, ctypes.byref(context)) < 0:
        return None
    return KernelFlushes(context, calls[1], calls[2])


def _flush_now(descriptors: Sequence[int], failures: dict[int, OSError]) -> None:
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as failure:
            failures[descriptor] = failure


_SYSCALL = ctypes.CDLL(None, use_errno=True).syscall
_SYSCALL.restype = ctypes.c_long


def _call(number: int, *arguments: object) -> int:
    numbers = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result: int = _SYSCALL(ctypes.c_long(number), *numbers)
    return result
