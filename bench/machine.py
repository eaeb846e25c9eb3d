"""On what a measurement ran, and how much of that other programs had meanwhile."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usage import TICKS, cpu_seconds


@contextmanager
def machine() -> Iterator[None]:
    """Say it before and after. A run that is told to end still ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    cores = os.cpu_count() or 1
    print(f"{cores} cores, Linux {platform.release()}, Python {platform.python_version()}")
    begun, busy, ours = time.monotonic(), _busy_seconds(), cpu_seconds(os.getpid())
    yield
    seconds = time.monotonic() - begun
    others = _busy_seconds() - busy - (cpu_seconds(os.getpid()) - ours)
    print(
        f"\n{seconds:.0f} s, in which other programs had"
        f" {max(others, 0.0) / seconds / cores:.0%} of the processors' time."
    )


def _busy_seconds() -> float:
    """Of all processors: proc_stat(5), without idle, waiting for a disk, and guests."""
    user, nice, system, _, _, interrupt, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + interrupt + softirq + stolen) / TICKS
