"""Strikes a placer at each system call of its batches that changes something.

What `./dev/crash` does to an apply, this does to mail: see there for what befalls a point. After
each, and after the next placer's start, to which all messages come again:

* what was said to be placed is there once, and what was said to have failed is not seen;
* whatever is seen is whole, and its owner's alone;
* what was placed is known when it comes again, and what was not is placed;
* nothing is left over, and each hook fires once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random

import structlog
from crashing import forks
from crashing.batches import lay_out, recovered, renumber, work
from crashing.calls import Call, string
from crashing.choice import spread
from crashing.cuts import AFTERWARDS
from crashing.disk import Disk, Tree, lay_down
from crashing.forks import Done, UntraceableError
from crashing.placed import problems
from crashing.placers import WAYS
from crashing.points import (
    Point,
    injecting,
    listing,
    listing_until,
    missed,
    points,
    with_points,
)
from crashing.replay import Replay

FAULTS = ("kill", "enospc", "eio", "cut", "cut-later")
MEMORY = Path("/dev/shm")
# A database that cannot be opened is told by the placer's process; here it ends the fork.
ANOTHER = "the model is of another machine"
NO_DATABASE = "cannot be opened"
# SQLite's, which it maps into memory, and makes anew after a cut.
_INDEX = "-shm"


@dataclass(frozen=True)
class Failure:
    """A point that was struck, and what was wrong afterwards."""

    point: Point
    problems: tuple[str, ...]


class Trial:
    """One way of placing, struck at one point after another, each on new ground."""

    def __init__(self, name: str, ground: Path) -> None:
        self.name = name
        self._way = WAYS[name]
        self._ground = ground

    def run(self, base: Path, strace: list[str]) -> Done:
        lay_out(base)
        return forks.done(work(base, self._way), strace)

    def points(self) -> list[Point]:
        with self._place() as base:
            done = self.run(base, listing(base.with_suffix(".strace")))
            assert done.code == 0, done.output
            assert not list(problems(base, said_in(done.output), settled=True))
            assert not list(recovered(base, said_in(done.output)))
            return points(base.with_suffix(".strace"), base)

    def strike(self, fault: str, point: Point) -> Failure:
        if fault == "cut-later":
            return self._cut_later(point)
        with self._place() as base:
            log = base.with_suffix(".strace")
            done = self.run(base, injecting(log, point, fault))
            found = [each for each in [missed(log, base, point)] if each]
            found += self._after(base, fault, done)
            return Failure(point, tuple(found))

    def _after(self, base: Path, fault: str, done: Done) -> Iterator[str]:
        said = said_in(done.output)
        if fault == "kill":
            if done.code != -9:
                yield f"it was not killed, and ended with {done.code}"
        elif done.code:
            if NO_DATABASE not in done.output:
                yield f"it ended with {done.code}: {done.output[-600:]}"
        else:
            yield from problems(base, said, settled=True)
        yield from recovered(base, said)

    def cuts(self) -> Iterator[Failure]:
        """What a power cut at each point may leave, as far as it is wrong."""
        with self._place() as base:
            log = base.with_suffix(".strace")
            lay_out(base)
            before = Disk.of(base)
            done = forks.done(work(base, self._way), listing(log))
            assert done.code == 0, done.output
            model = Disk(before.seen)
            real = _numbers(model, log, base)
            assert _comparable(Disk.of(base).tree()) == _comparable(model.tree()), ANOTHER
            yield from self._cut(before, log, base, real, {})

    def _cut_later(self, point: Point) -> Failure:
        """What a killed placer left unflushed is seen by the next one, and then the power fails."""
        with self._place() as base:
            log, later = base.with_suffix(".strace"), base.with_suffix(".later")
            lay_out(base)
            disk = Disk.of(base)
            first = forks.done(work(base, self._way), listing_until(log, point, "kill"))
            found = [each for each in [missed(log, base, point)] if each]
            _numbers(disk, log, base)
            second = forks.done(work(base, self._way), listing(later))
            assert second.code == 0, second.output
            model = disk.copy()
            real = _numbers(model, later, base)
            assert _comparable(Disk.of(base).tree()) == _comparable(model.tree()), ANOTHER
            for failure in self._cut(disk, later, base, real, said_in(first.output)):
                found += [f"at {failure.point.does}: {each}" for each in failure.problems]
            later.unlink()
        return Failure(point, tuple(found))

    def _cut(
        self, disk: Disk, log: Path, base: Path, real: dict[int, int], said: dict[str, str]
    ) -> Iterator[Failure]:
        process, known = Replay(disk, base), set[Tree]()
        for call, point in with_points(log, base):
            if point is not None:
                yield Failure(point, tuple(self._left(disk, said, known, real)))
            process.carry_out(call)
            if news := said_in(_printed(call)):
                said |= news
                known.clear()  # What was harmless before is not what was promised.
        yield Failure(AFTERWARDS, tuple(self._left(disk, said, known, real)))

    def _left(
        self, disk: Disk, said: dict[str, str], known: set[Tree], real: dict[int, int]
    ) -> Iterator[str]:
        for lost, left in disk.after_a_cut():
            tree = tuple(each for each in left if not each[0].endswith(_INDEX))
            if tree in known:
                continue
            known.add(tree)
            with self._place() as base:
                lay_down(tree, base)
                renumber(tree, real, base)
                yield from (f"{each} ({lost})" for each in problems(base, said, settled=False))
                yield from (f"{each} ({lost})" for each in recovered(base, said))

    def _place(self) -> _Place:
        return _Place(self._ground)


class _Place:
    """A path for an instance, always as long; what is there is gone afterwards."""

    def __init__(self, ground: Path) -> None:
        self._ground = ground

    def __enter__(self) -> Path:
        self._base = Path(tempfile.mkdtemp(prefix="placer-", dir=self._ground))
        self._base.rmdir()
        return self._base

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.with_suffix(".strace").unlink(missing_ok=True)


def said_in(output: str) -> dict[str, str]:
    """What became of each message, as it was said last; what was placed stays so."""
    said: dict[str, str] = {}
    for line in output.splitlines():
        if line.startswith('{"'):
            said |= json.loads(line)
    return said


def _printed(call: Call) -> str:
    if call.name != "write" or not call.text.startswith("1<"):
        return ""
    return string(call.arguments[1]).decode()


def _numbers(model: Disk, log: Path, base: Path) -> dict[int, int]:
    """Replay; gives by inode of what got a message's name the number that it has in the model."""
    process, numbers = Replay(model, base), dict[int, int]()
    for call, _ in with_points(log, base):
        process.carry_out(call)
        printed = _printed(call)
        if printed.startswith("inodes "):
            told = printed.removeprefix("inodes ")
            known = {path: number for path, number, _ in model.tree()}
            numbers |= {inode: known[path] for path, inode in json.loads(told).items()}
    return numbers


def _comparable(tree: Tree) -> list[object]:
    return [(path, inode) for path, _, inode in tree if not path.endswith(_INDEX)]


@dataclass(frozen=True)
class Sample:
    """Points at random, until so much time is up for each way and fault."""

    seconds: float
    chance: Random


def failures(
    trial: Trial, fault: str, chosen: Sequence[Point], sample: Sample | None
) -> Iterator[Failure]:
    """What was wrong after each; of a sample as many as there is time for, and one at least."""
    if fault == "cut":
        yield from (each for each in trial.cuts() if each.point in {*chosen, AFTERWARDS})
        return
    deadline = time.monotonic() + (sample.seconds if sample else inf)
    for point in sample.chance.sample(chosen, len(chosen)) if sample else chosen:
        yield trial.strike(fault, point)
        if time.monotonic() > deadline:
            return


def report(options: argparse.Namespace, ground: Path, sample: Sample | None) -> int:
    """Strike and tell; gives how many points failed."""
    tried = failed = 0
    for name in options.way or WAYS:
        trial = Trial(name, ground)
        found = trial.points()
        chosen = [each for each in found if options.point in (None, str(each))]
        chosen = spread(chosen, options.budget)
        for fault in options.fault or FAULTS:
            all_of_it = list(failures(trial, fault, chosen, sample))
            wrong = [each for each in all_of_it if each.problems]
            print(f"{name:12}{fault:8}{len(all_of_it):4} points, {len(wrong)} failed", flush=True)
            for each in wrong:
                print(f"  {each.point.does}", *each.problems, sep="\n    ")
                print(f"    ./dev/crash-placing --way {name} --fault {fault} --point {each.point}")
            tried, failed = tried + len(all_of_it), failed + len(wrong)
    print(f"{tried} points tried, {failed} failed")
    return failed if tried else 1


def sample(options: argparse.Namespace) -> Sample | None:
    if options.sample is None:
        return None
    seed = Random().randrange(10**6) if options.seed is None else options.seed
    print(f"--sample {options.sample:g} --seed {seed}")
    shares = len(options.way or WAYS) * len(options.fault or FAULTS)
    return Sample(options.sample / shares, Random(seed))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev/crash-placing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--way", action="append", choices=WAYS)
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--point", metavar="CALL:N", help="this one alone")
    parser.add_argument("--budget", type=int, metavar="N", help="N points each, spread evenly")
    parser.add_argument(
        "--sample", type=float, metavar="SECONDS", help="strike at random until so much time is up"
    )
    parser.add_argument("--seed", type=int, help="the sample of that number, again")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not there. Install it with `apt-get install strace`.")
        return 2
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    # What is flushed need not reach a disk here: no power is cut.
    directory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="aimx-crash-", dir=directory) as ground:
        Path(ground).chmod(0o755)
        try:
            return 1 if report(options, Path(ground), sample(options)) else 0
        except UntraceableError as cause:
            print(cause)
            return 2


if __name__ == "__main__":
    sys.exit(main())
