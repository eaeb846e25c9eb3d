"""The system calls that make mail durable, each of which a disk may refuse."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from aimx.placing.kernel import KernelFlushes
from desired.frozen import frozen

# Above this a flush waits for a device and not for us, so that several at once take less long.
_SLOW_SECONDS = 0.001
_THREADS = 8
_WEIGHT = 0.2  # Of the newest flush in the running average.
_CHUNK = 1 << 20


class Flush(Protocol):
    """Files and directories on their way to the disk."""

    def ended(self) -> Mapping[int, OSError]:
        """Wait for all of it; gives by descriptor what could not be made durable, and why."""


@frozen
class Over:
    """A flush that took no longer than to hand it to somebody else."""

    failures: Mapping[int, OSError]

    def ended(self) -> Mapping[int, OSError]:
        return self.failures


@frozen
class Threads:
    """A flush of which threads do the parts."""

    parts: Sequence[Future[dict[int, OSError]]]

    def ended(self) -> Mapping[int, OSError]:
        failures: dict[int, OSError] = {}
        for part in self.parts:
            failures |= part.result()
        return failures


class Disk:
    """One for the process: it remembers how slow the disk is.

    One that is fast flushes one file after the other: to be woken costs more. Of a slow one
    several are flushed at a time, by `kernel`, or by threads where there is none.
    """

    def __init__(
        self, kernel: KernelFlushes | None = None, slow_seconds: float = _SLOW_SECONDS
    ) -> None:
        self._kernel = kernel
        self._slow_seconds = slow_seconds
        self._flush_seconds = 0.0
        self._threads: ThreadPoolExecutor | None = None

    def unnamed(self, directory: int) -> int:
        """A new file without a name on the directory's file system, open for writing."""
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=directory)

    def write(self, descriptor: int, content: bytes) -> None:
        while content:
            content = content[os.write(descriptor, content) :]

    def copy(self, source: int, target: int, size: int) -> None:
        """Append the first `size` octets of the source to the target."""
        offset = 0
        while offset < size:
            copied = _copy_some(source, target, size - offset, offset)
            if not copied:
                raise OSError(errno.EIO, "the file ended before its size")
            offset += copied

    def link(self, source: str, directory: int, name: str, *, source_directory: int = -1) -> None:
        """A name for a file, never over another one.

        Without its directory the source is a magic link of /proc, which is followed.
        """
        if source_directory < 0:
            os.link(source, name, dst_dir_fd=directory)
            return
        os.link(
            source,
            name,
            src_dir_fd=source_directory,
            dst_dir_fd=directory,
            follow_symlinks=False,
        )

    def rename(self, name: str, directory: int, target: str, target_directory: int) -> None:
        os.rename(name, target, src_dir_fd=directory, dst_dir_fd=target_directory)

    def flush(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def begin(self, descriptors: Iterable[int]) -> Flush:
        """Have these made durable, each once. They stay open until that has ended."""
        waiting = list(dict.fromkeys(descriptors))
        if self._flush_seconds <= self._slow_seconds:
            return Over(self._flush_each(waiting))
        if self._kernel is not None:
            return self._kernel.begin(waiting)
        _begin_writing(waiting)
        return Threads([self._submitted(descriptor) for descriptor in waiting])

    def flush_all(self, descriptors: Iterable[int]) -> Mapping[int, OSError]:
        """Make these durable now; what could not be made so, and why."""
        waiting = list(dict.fromkeys(descriptors))
        if len(waiting) < 2:
            return self._flush_each(waiting)
        others = self.begin(waiting[1:])
        # One by ourselves, whoever does the others: so we hear of it when the disk becomes fast.
        return {**self._flush_each(waiting[:1]), **others.ended()}

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()

    def _submitted(self, descriptor: int) -> Future[dict[int, OSError]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "flush")
        return self._threads.submit(self._flush_each, [descriptor])

    def _flush_each(self, descriptors: Sequence[int]) -> dict[int, OSError]:
        if len(descriptors) > 1:
            _begin_writing(descriptors)
        failures = {}
        for descriptor in descriptors:
            begun = time.monotonic()
            try:
                self.flush(descriptor)
            except OSError as failure:
                failures[descriptor] = failure
            seconds = time.monotonic() - begun
            self._flush_seconds += _WEIGHT * (seconds - self._flush_seconds)
        return failures


def _begin_writing(descriptors: Sequence[int]) -> None:
    # Linux starts to write dirty pages out on this advice, and does not wait for them.
    with contextlib.suppress(OSError):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


_NO_SPLICE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def _copy_some(source: int, target: int, size: int, offset: int) -> int:
    try:
        return os.copy_file_range(source, target, size, offset_src=offset)
    except OSError as failure:
        if failure.errno not in _NO_SPLICE:
            raise
    return os.write(target, os.pread(source, min(size, _CHUNK), offset))
