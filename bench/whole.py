"""One run of a whole process: how long it took from outside, and the most memory that it had."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figures import CELLS, Series, number, ratio
from instance import surroundings


@dataclass(slots=True)
class Whole:
    """A command, and what its runs have taken."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=surroundings)
    milliseconds: Series = field(init=False)
    # The most that any run had. The kernel counts from the fork, so no less than this process had.
    megabytes: float = 0.0
    computed: Series = field(init=False)  # Milliseconds of processor time; neighbours cost less.

    def __post_init__(self) -> None:
        self.milliseconds = Series(self.name)
        self.computed = Series(self.name)

    def run(self) -> None:
        """A measurement of something that failed is none."""
        begun = time.perf_counter()
        with subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            told = process.stderr.read().decode()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.milliseconds.add((time.perf_counter() - begun) * 1000)
        self.computed.add((used.ru_utime + used.ru_stime) * 1000)
        self.megabytes = max(self.megabytes, used.ru_maxrss / 1024)
        if process.returncode:
            raise SystemExit(f"{self.name}: {told}")

    def row(self, peer: Whole) -> list[str]:
        """For a table under `HEADS`."""
        taken = self.milliseconds
        return [
            self.name,
            *taken.cells(),
            number(self.megabytes),
            ratio(taken, peer.milliseconds),
            number(self.computed.median),
            ratio(self.computed, peer.computed),
        ]


HEADS = ["milliseconds", *CELLS, "MB", "ratio", "CPU ms", "ratio of CPU"]
