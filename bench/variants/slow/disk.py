"""A disk whose flushes take two milliseconds more, however many there are at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from aimx.placing.disk import Disk
from aimx.placing.firings import Wanted
from aimx.placing.rows import Row, Rows
from aimx.processes import placer

SECONDS = 0.002


class SlowDisk(Disk):
    """By threads: the kernel's own flushes cannot be delayed from here."""

    def __init__(self, _kernel: object) -> None:
        super().__init__()

    def flush(self, descriptor: int) -> None:
        super().flush(descriptor)
        time.sleep(SECONDS)


class SlowRows(Rows):
    """A commit ends with a flush, which is on the same disk."""

    def record(
        self,
        rows: Sequence[Row],
        hits: Iterable[bytes],
        now: datetime,
        wanted: Sequence[Wanted] = (),
    ) -> None:
        super().record(rows, hits, now, wanted)
        time.sleep(SECONDS)


def main() -> None:
    placer.Disk = SlowDisk  # type: ignore[assignment, misc]
    placer.Rows = SlowRows  # type: ignore[misc]
    placer.main()
