"""How long whole commands take, from outside, beside the bare interpreter that they run in."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import CELLS, Series, ratio, table
from instance import AIMX, Instance, ground, surroundings
from machine import machine


@dataclass(frozen=True, slots=True)
class Timed:
    """A command, and how long it has taken."""

    taken: Series  # Milliseconds.
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    aim: str = ""

    def run(self) -> None:
        begun = time.perf_counter()
        ended = subprocess.run(
            self.command, env=self.environment, capture_output=True, text=True, check=False
        )
        self.taken.add((time.perf_counter() - begun) * 1000)
        if ended.returncode != 0:
            raise SystemExit(f"{self.taken.name}: {ended.stdout}{ended.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="runs of each command (25)")
    options = parser.parse_args()
    with machine(), ground() as base:
        served, alone = _applied(base / "served"), _applied(base / "alone")
        with served.serving():
            commands = _commands(served, alone)
            for command in commands:  # What the file system does not know yet.
                command.run()
                command.taken.values.clear()
            for _ in range(options.rounds):
                for command in commands:
                    command.run()
        _tell(commands)


def _applied(base: Path) -> Instance:
    """One with a small manifest, and nothing left to do."""
    instance = Instance(base)
    instance.declare([f"agent{number}@example.com" for number in range(5)], ["example.com"])
    instance.command("apply", "--yes")
    return instance


def _commands(served: Instance, alone: Instance) -> list[Timed]:
    bare = surroundings()
    return [
        Timed(Series("python -c pass"), [sys.executable, "-c", "pass"], bare),
        Timed(
            Series("python -c 'import argparse'"), [sys.executable, "-c", "import argparse"], bare
        ),
        Timed(Series("aimx --help"), [AIMX, "--help"], bare, "120"),
        Timed(Series("aimx plan, a daemon runs"), [AIMX, "plan"], served.environment, "150"),
        Timed(Series("aimx plan, none runs"), [AIMX, "plan"], alone.environment, "600"),
    ]


def _tell(commands: Sequence[Timed]) -> None:
    peer = commands[1].taken
    heads = ["milliseconds", *CELLS, "aim, below", "ratio to argparse"]
    table(
        "Whole processes",
        heads,
        [[c.taken.name, *c.taken.cells(), c.aim, ratio(c.taken, peer)] for c in commands],
    )


if __name__ == "__main__":
    main()
