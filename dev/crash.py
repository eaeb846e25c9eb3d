"""Strikes `aimx apply` at each system call that changes something, and looks what becomes of it.

A first run under strace lists the calls that change something below the instance's directories.
Then each is struck, on a copy of the instance as it was before: the process is killed there, or the
call fails. The product is copied and imported first, so that an edit shifts nothing; each command
is a fork of that. The same calls are made each time, and the call that was struck is seen to be the
one that was meant. A kill strikes before the call, so a write is whole or not there. After each:

* nothing printed is a traceback, and the exit code is of the table;
* the engine could start then and there, and knows no domain without a key that signs;
* the next apply ends in the tree of one that nothing disturbed;
* no message has another inode or other bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from multiprocessing import get_context
from pathlib import Path
from random import Random

from commands import Done, UntraceableError, import_for, make_keys, run
from found import (
    Found,
    differences,
    engine_problems,
    journal_problems,
    keys,
    lasting,
    mail,
    tree,
)
from points import FAULTS, Point, injecting, listing, missed, points
from scenarios import APPLY, SCENARIOS, Scenario, lay_out

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("aimx", "desired", "reconcilers")
MEMORY = Path("/dev/shm")
KEYS = 8  # From which commands take theirs.
LISTINGS = 5  # How often the calls are listed at most.
AHEAD = 4  # Strikes that wait, for each of those under way.


@contextmanager
def copied(before: Path) -> Iterator[Path]:
    """A copy to strike, which is gone afterwards."""
    # At the same depth as the first: the product opens one directory after another.
    base = Path(tempfile.mkdtemp(prefix=before.name, dir=before.parent))
    base.rmdir()
    subprocess.run(["cp", "-a", before, base], check=True)
    try:
        yield base
    finally:
        shutil.rmtree(base)


def staying(base: Path, scenario: Scenario) -> frozenset[tuple[int, str]]:
    """The messages that nobody may touch."""
    return mail(base) - (mail(base, scenario.deleted) if scenario.deleted else frozenset())


@dataclass(frozen=True)
class Strike:
    """A point that was struck, and what was wrong afterwards."""

    point: Point
    problems: tuple[str, ...]
    said: str  # What the struck command and the next one printed.
    missed: bool  # Another call was struck.


@dataclass(frozen=True)
class Trial:
    """A scenario, laid out, and what comes of it where nothing disturbs."""

    name: str
    before: Path
    wanted: dict[str, Found]
    points: tuple[Point, ...]

    @classmethod
    def of(cls, name: str, work: Path) -> Trial:
        scenario, before = SCENARIOS[name], work / name
        lay_out(scenario, before)
        wanted, found = _undisturbed(scenario, before)
        # A run may open a file more than others do, and shift all numbers: two have to agree.
        for _ in range(LISTINGS):
            first = found
            wanted, found = _undisturbed(scenario, before)
            if found == first:
                return cls(name, before, wanted, found)
        raise AssertionError(f"{name}: no two runs make the same calls")

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.name]

    def strike(self, fault: str, point: Point) -> Strike:
        """Strike it, and again where a run opened a file more than others do."""
        for _ in range(LISTINGS):
            strike = self._strike(fault, point)
            if not strike.missed:
                break
        return strike

    def _strike(self, fault: str, point: Point) -> Strike:
        with copied(self.before) as base:
            kept, messages = keys(self.before), staying(base, self.scenario)
            log = base.with_suffix(".strace")
            first = run(base, self.scenario.command, injecting(log, point, fault))
            problems = [*self._after_strike(base, fault, first)]
            other = missed(log, base, point)
            problems += [other] if other else []
            log.unlink()
            if not messages <= mail(base):
                problems.append("a message has another inode or other bytes")
            made = keys(base)
            second = run(base, self.scenario.next(base))
            problems += output_problems("the next apply", second)
            if second.code:
                problems.append(f"the next apply ended with {second.code}")
            problems += differences(tree(base, kept), self.wanted)
            problems += [*journal_problems(base), *engine_problems(base)]
            if made - keys(base):
                problems.append("a key that stood there was replaced")
            if not messages <= mail(base):
                problems.append("the next apply touched a message")
            said = f"{first.output}\n--- the next apply:\n{second.output}"
        return Strike(point, tuple(problems), said, missed=bool(other))

    def _after_strike(self, base: Path, fault: str, done: Done) -> Iterator[str]:
        from aimx.doors.exits import Exit

        yield from output_problems("the struck apply", done)
        yield from engine_problems(base, moving=self.scenario.moving)
        there = lasting(tree(base, keys(self.before)))
        wanted = lasting(self.wanted)
        if fault == "kill" and done.code != -9:
            yield f"it was not killed, and ended with {done.code}"
        if fault != "kill" and done.code not in set(Exit):
            yield f"its exit code is {done.code}"
        if done.code == 0 and there != wanted:
            yield "it said that all is done: " + "; ".join(differences(there, wanted))
        if self.name == "create" and "data/.layout-version" in there:
            missing = sorted(wanted.keys() - there.keys())
            if missing:
                yield f"the marker stands, and there is no {', '.join(missing)}"


def _undisturbed(scenario: Scenario, before: Path) -> tuple[dict[str, Found], tuple[Point, ...]]:
    """What comes of it where nothing disturbs, and the calls that do it."""
    with copied(before) as base:
        log = base.with_suffix(".strace")
        done = run(base, scenario.command, listing(log))
        assert done.code == 0, done.output
        wanted, found = tree(base, keys(before)), points(log, base)
        assert not list(engine_problems(base))
        again = run(base, APPLY)
        assert "No changes" in again.output, again.output
    return wanted, tuple(found)


def output_problems(name: str, done: Done) -> Iterator[str]:
    if "Traceback" in done.output:
        yield f"{name} printed a traceback"


# Which points, and what became of them.


@dataclass(frozen=True)
class Aim:
    trial: Trial
    fault: str
    point: Point

    def strike(self) -> Strike:
        return self.trial.strike(self.fault, self.point)


def aims(options: argparse.Namespace, work: Path) -> list[Aim]:
    """All that is to be struck, in the order of the calls."""
    found = []
    for name in options.scenario or SCENARIOS:
        trial = Trial.of(name, work)
        chosen = [point for point in trial.points if options.point in (None, str(point))]
        for fault in options.fault or FAULTS:
            found += [Aim(trial, fault, point) for point in spread(chosen, options.budget)]
    return found


def spread(all_points: Sequence[Point], budget: int | None) -> list[Point]:
    """So many of them, from the first to the last."""
    if budget is None or budget >= len(all_points):
        return list(all_points)
    step = len(all_points) / budget
    return [all_points[int(step * (number + 0.5))] for number in range(budget)]


def struck(all_aims: Sequence[Aim], jobs: int, deadline: float) -> Iterator[tuple[Aim, Strike]]:
    """Strike one after another, a few at a time, until all are done or the time is up."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        waiting: list[tuple[Aim, Future[Strike]]] = []
        for aim in all_aims:
            if time.monotonic() > deadline:
                break
            waiting.append((aim, pool.submit(aim.strike)))
            if len(waiting) > jobs * AHEAD:
                first, strike = waiting.pop(0)
                yield first, strike.result()
        for aim, strike in waiting:
            yield aim, strike.result()


@dataclass
class Row:
    """How it goes with one fault in one scenario."""

    of: int = 0
    tried: int = 0
    failed: int = 0


def report(all_aims: Sequence[Aim], jobs: int, deadline: float, *, aloud: bool) -> int:
    """Strike and tell; gives how many failed."""
    rows = {(aim.trial.name, aim.fault): Row() for aim in all_aims}
    for aim in all_aims:
        rows[aim.trial.name, aim.fault].of += 1
    for aim, strike in struck(all_aims, jobs, deadline):
        row = rows[aim.trial.name, aim.fault]
        row.tried += 1
        row.failed += bool(strike.problems)
        if strike.problems:
            tell_of_failure(aim, strike)
        if aloud:
            print(strike.said)
        elif row.tried == row.of:
            tell_of_row(aim.trial.name, aim.fault, row)
    for (name, fault), row in rows.items():
        if row.tried < row.of:
            tell_of_row(name, fault, row)
    failed = sum(row.failed for row in rows.values())
    print(f"{sum(row.tried for row in rows.values())} points tried, {failed} failed")
    return failed


def tell_of_row(name: str, fault: str, row: Row) -> None:
    print(f"{name:10}{fault:8}{row.tried:4} of {row.of} points, {row.failed} failed", flush=True)


def tell_of_failure(aim: Aim, strike: Strike) -> None:
    print(f"  {aim.point.does}")
    print(*(f"    {problem}" for problem in strike.problems), sep="\n")
    chosen_by = f"--scenario {aim.trial.name} --fault {aim.fault} --point {aim.point}"
    print(f"    ./dev/crash {chosen_by}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev/crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--point", metavar="CALL:N", help="this one alone, with what it printed")
    parser.add_argument("--budget", type=int, metavar="N", help="N points each, spread evenly")
    parser.add_argument(
        "--sample", type=float, metavar="SECONDS", help="strike at random until so much time is up"
    )
    parser.add_argument("--seed", type=int, help="the sample of that number, again")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many at a time")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not there. Install it with `apt-get install strace`.")
        return 2
    # What is flushed need not reach a disk here: no power is cut.
    ground = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="aimx-crash-", dir=ground) as directory:
        work = Path(directory)
        work.chmod(0o755)  # The owners of mailboxes reach them through it.
        import_product(work)
        try:
            return strike_all(options, work)
        except UntraceableError as cause:
            print(cause)
            return 2


def import_product(work: Path) -> None:
    """Import a copy of it, which nobody edits, as far as a command needs it."""
    for name in PRODUCT:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, work / "product" / name, ignore=ignored)
    sys.path.insert(0, str(work / "product"))
    scratch = work / "scratch"
    lay_out(SCENARIOS["create"], scratch)
    import_for(scratch, APPLY)
    make_keys(KEYS)


def strike_all(options: argparse.Namespace, work: Path) -> int:
    found = aims(options, work)
    if not found:
        print(f"no call {options.point} changes anything there.")
        return 2
    deadline = inf
    if options.sample is not None:
        deadline = time.monotonic() + options.sample
        seed = Random().randrange(10**6) if options.seed is None else options.seed
        print(f"--sample {options.sample:g} --seed {seed}")
        Random(seed).shuffle(found)
    failed = report(found, options.jobs, deadline, aloud=options.point is not None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
