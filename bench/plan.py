"""How long `aimx plan` takes with nothing to do, without a daemon, beside the least it could do.

The peer is a bare process that parses the same manifest and looks at the same paths, once each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from figures import CELLS, Series, ratio, table
from instance import AIMX, Instance, ground
from machine import machine

SIZES = [1_000, 10_000]
DOMAINS = 10  # Each has a key, and making keys is most of the first apply's time.

LEAST = """
import os, sys, tomllib
with open(sys.argv[1], "rb") as file:
    manifest = tomllib.load(file)
for address in manifest["mailboxes"]:
    local, _, domain = address.partition("@")
    for folder in ("inbox", "sent"):
        os.lstat(f"{sys.argv[2]}/{domain}/{folder}/{local}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="runs of each (10)")
    options = parser.parse_args()
    with machine(), ground() as base:
        rows = [row for size in SIZES for row in _size(base, size, options.rounds)]
        table("A plan with nothing to do", ["milliseconds", *CELLS, "ratio"], rows)


def _size(base: Path, size: int, rounds: int) -> list[list[str]]:
    instance = Instance(base / str(size))
    domains = [f"d{number}.example" for number in range(DOMAINS)]
    mailboxes = [f"agent{number}@{domains[number % DOMAINS]}" for number in range(size)]
    instance.declare(mailboxes, domains)
    begun = time.perf_counter()
    instance.command("apply", "--yes")
    print(f"{size:,} mailboxes made in {time.perf_counter() - begun:.1f} s", flush=True)
    plan, least = Series(f"aimx plan, {size:,} mailboxes"), Series(f"the least, {size:,} mailboxes")
    data = str(instance.base / "data")
    command = [sys.executable, "-c", LEAST, str(instance.manifest), data]
    for _ in range(rounds):
        plan.add(_timed([str(AIMX), "plan"], instance.environment))
        least.add(_timed(command, os.environ))
    return [[plan.name, *plan.cells(), ratio(plan, least)], [least.name, *least.cells(), "1.00"]]


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - begun
    if ended.returncode != 0:
        raise SystemExit(f"{command[0]}: {ended.stdout}{ended.stderr}")
    return taken * 1000


if __name__ == "__main__":
    main()
