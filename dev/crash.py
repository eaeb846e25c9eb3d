"""Strikes `aimx` at each system call that changes something, and looks what becomes of it.

A first run under strace lists the calls that change something below the instance's directories.
Then each is struck, on a copy of the instance as it was before. The product is copied and imported
first, so that an edit shifts nothing; each command is a fork of that. The same calls are made each
time, and the call that was struck is seen to be the one that was meant. What befalls a point:

* kill: the process is killed before the call, so a write is whole or not there;
* enospc, eio: the call fails;
* cut: the power fails. What was not flushed may be lost or not, in several combinations;
* cut-later: the process is killed, the next apply finishes, and at any call of that, or after it,
  the power fails. What the killed one left unflushed is lost or not.

After each:

* nothing printed is a traceback, and the exit code is of the table;
* the engine could start then and there, and knows no domain without a key that signs;
* what was said to be done is there;
* the next apply ends in the tree of one that nothing disturbed;
* no message has another inode or other bytes, and no key is lost.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from math import inf
from multiprocessing import get_context
from pathlib import Path
from random import Random

from crashing.choice import drawn, spread
from crashing.commands import import_for, make_keys
from crashing.cuts import Cut
from crashing.forks import UntraceableError
from crashing.found import engine_problems
from crashing.points import Point
from crashing.scenarios import APPLY, SCENARIOS, lay_out
from crashing.trial import Strike, Trial

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("aimx", "desired", "reconcilers")
MEMORY = Path("/dev/shm")
KEYS = 8  # From which commands take theirs.
AHEAD = 4  # Strikes that wait, for each of those under way.
STRUCK = ("kill", "enospc", "eio")
FAULTS = (*STRUCK, "cut", "cut-later")


# Which points, and what became of them.


@dataclass(frozen=True)
class Aim:
    trial: Trial
    fault: str
    point: Point
    cuts: tuple[Cut, ...] = ()  # What the power cut may leave.

    def strike(self) -> Strike:
        match self.fault:
            case "cut":
                return self.trial.cut(self.point, self.cuts)
            case _:
                return self.trial.strike(self.fault, self.point)


@dataclass(frozen=True)
class Batch:
    """The aims in one scenario: those that there are, and those that are struck."""

    there_are: Counter[str]  # By fault.
    chosen: tuple[Aim, ...]


def batches(options: argparse.Namespace, work: Path, chance: Random | None) -> Iterator[Batch]:
    """What is to be struck, in the order of the calls, or at random a few of each scenario."""
    names = list(options.scenario or SCENARIOS)
    if chance:
        chance.shuffle(names)
    for name in names:
        trial, found = Trial.of(name, work), []
        for fault in options.fault or FAULTS:
            found += spread(list(_aims(trial, fault, options.point)), options.budget)
        there_are = Counter(aim.fault for aim in found)
        if chance:
            found = drawn(found, chance)
        yield Batch(there_are, tuple(found))


def _aims(trial: Trial, fault: str, chosen: str | None) -> Iterator[Aim]:
    if fault == "cut":
        all_aims = [Aim(trial, fault, point, cuts) for point, cuts in trial.cuts() if cuts]
    else:
        all_aims = [Aim(trial, fault, point) for point in trial.points]
    yield from (aim for aim in all_aims if chosen in (None, str(aim.point)))


def struck(all_aims: Sequence[Aim], jobs: int, deadline: float) -> Iterator[tuple[Aim, Strike]]:
    """Strike one after another, a few at a time, until all are done or the time is up.

    The first is struck in any case: a slow machine may need all the time to come so far.
    """
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        waiting: list[tuple[Aim, Future[Strike]]] = []
        for number, aim in enumerate(all_aims):
            if number and time.monotonic() > deadline:
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

    tried: int = 0
    failed: int = 0


def report(all_batches: Iterator[Batch], jobs: int, deadline: float, *, aloud: bool) -> Row:
    """Strike and tell; gives how it went in all."""
    total = Row()
    for batch in all_batches:
        rows: defaultdict[str, Row] = defaultdict(Row)
        for aim, strike in struck(batch.chosen, jobs, deadline):
            for row in (rows[aim.fault], total):
                row.tried += 1
                row.failed += bool(strike.problems)
            if strike.problems:
                tell_of_failure(aim, strike)
            if aloud:
                print(strike.said)
        for fault, row in rows.items():
            share = f"{row.tried:4} of {batch.there_are[fault]} points"
            name = batch.chosen[0].trial.name
            print(f"{name:15}{fault:10}{share}, {row.failed} failed", flush=True)
        if total.tried and time.monotonic() > deadline:
            break
    print(f"{total.tried} points tried, {total.failed} failed")
    return total


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
    list(engine_problems(scratch))
    make_keys(KEYS)


def strike_all(options: argparse.Namespace, work: Path) -> int:
    deadline, chance = inf, None
    if options.sample is not None:
        deadline = time.monotonic() + options.sample
        seed = Random().randrange(10**6) if options.seed is None else options.seed
        print(f"--sample {options.sample:g} --seed {seed}")
        chance = Random(seed)
    found = batches(options, work, chance)
    total = report(found, options.jobs, deadline, aloud=options.point is not None)
    if not total.tried:
        print("nothing was struck.")
        return 2
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
