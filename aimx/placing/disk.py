"""The system calls that make mail durable, each of which a disk may refuse."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from aimx.placing.kernel import KernelFlushes

# Above this a flush waits for a device and not for us, so that several at once take less long.
_SLOW_SECONDS = 0.001
_THREADS = 9  # One of them waits for the others.
_WEIGHT = 0.2  # Of the newest flush in the running average.
_CHUNK = 1 << 20


@dataclass(slots=True)
class Flushing:
    """What came of it: by descriptor, what could not be made durable, and why."""

    failures: dict[int, OSError] = field(default_factory=dict)


class Disk:
    """One for the process: it remembers how slow the disk is.

    With `kernel` it flushes several files by that; without, in threads where the disk is slow.
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
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

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

    def flush_all(self, descriptors: Iterable[int]) -> dict[int, OSError]:
        """Make every file or directory durable; what could not be made so, and why."""
        waiting = list(dict.fromkeys(descriptors))
        if self._kernel is not None and len(waiting) > 1:
            self._kernel.begin(waiting)
            return self._kernel.ended()
        if len(waiting) > 1:
            _begin_writing(waiting)
        if len(waiting) > 1 and self._flush_seconds > self._slow_seconds:
            outcomes = list(self._pool().map(self._timed_flush, waiting))
        else:
            outcomes = [self._timed_flush(descriptor) for descriptor in waiting]
        failures = {}
        for descriptor, (seconds, failure) in zip(waiting, outcomes, strict=True):
            self._flush_seconds += _WEIGHT * (seconds - self._flush_seconds)
            if failure is not None:
                failures[descriptor] = failure
        return failures

    @contextlib.contextmanager
    def beside(self, descriptors: Sequence[int]) -> Iterator[Flushing]:
        """Make these durable while the block runs; what failed is known after it."""
        flushing = Flushing()
        ended = self._begun(descriptors)
        try:
            yield flushing
        finally:
            flushing.failures = ended()

    def _begun(self, descriptors: Sequence[int]) -> Callable[[], dict[int, OSError]]:
        if self._kernel is not None:
            self._kernel.begin(descriptors)
            return self._kernel.ended
        return self._pool().submit(self.flush_all, descriptors).result

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()

    def _timed_flush(self, descriptor: int) -> tuple[float, OSError | None]:
        begun = time.monotonic()
        try:
            self.flush(descriptor)
        except OSError as failure:
            return time.monotonic() - begun, failure
        return time.monotonic() - begun, None

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "flush")
        return self._threads


def _begin_writing(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        # Linux starts to write dirty pages out on this advice, and does not wait for them.
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


_NO_SPLICE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def _copy_some(source: int, target: int, size: int, offset: int) -> int:
    try:
        return os.copy_file_range(source, target, size, offset_src=offset)
    except OSError as failure:
        if failure.errno not in _NO_SPLICE:
            raise
    return os.write(target, os.pread(source, min(size, _CHUNK), offset))
