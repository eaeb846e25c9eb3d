"""Strikes `aimx apply` at each system call that changes something, and looks what becomes of it.

A first run under strace lists the calls that change something below the instance's directories. A
point is one of them, named by the call and its number among all calls of that name, since that is
how strace injects. (Its own filter by path would need the names of files that are not there yet.)
Python's own start makes the same calls each time, so the numbers hold, and the call that was struck
is seen to be the one that was meant. The product is copied and compiled first, so that an edit does
not shift them. A kill strikes before the call, so a write is whole or not there. After each strike:

* nothing printed is a traceback, and the exit code is of the table;
* the engine could start then and there, and knows no domain without a key that signs;
* the next apply ends in the tree of one that nothing disturbed;
* no message has another inode or other bytes.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from found import (
    MESSAGE,
    Found,
    differences,
    engine_problems,
    journal_problems,
    keys,
    lasting,
    mail,
    tree,
)

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("aimx", "desired", "reconcilers")

OPENING = ("open", "openat", "openat2", "creat")
WRITING = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
CALLS = (
    *OPENING,
    *WRITING,
    *("sendfile", "copy_file_range", "fallocate", "ftruncate", "truncate"),
    *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
    *("fsync", "fdatasync", "sync", "syncfs", "sync_file_range"),
)
LISTINGS = 5  # How often the calls are listed at most.

# How strace is told. Only calls of one name stop with --seccomp-bpf, which saves half the time, but
# a signal is then not delivered before the call.
FAULTS = {
    "kill": ("signal=SIGKILL",),
    "enospc": ("error=ENOSPC", "--seccomp-bpf"),
    "eio": ("error=EIO", "--seccomp-bpf"),
}

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def manifest(domains: Sequence[str], *mailboxes: str) -> str:
    tables = (f'[mailboxes."{name}"]\nowner = "{OWNER}"\n' for name in mailboxes)
    return f"domains = {json.dumps(list(domains))}\n" + "".join(tables)


ONE, TWO = ("a.example",), ("a.example", "b.example")
INFO, OPS, REST = "info@a.example", "ops@a.example", "*@b.example"


@dataclass(frozen=True)
class Scenario:
    """What was applied before, if anything, what befell it since, and what is applied now."""

    before: str
    after: str
    arguments: tuple[str, ...] = ()
    damage: Callable[[Path], None] = lambda base: None


def _drift(base: Path) -> None:
    (base / "config/dkim/a.example").chmod(0o755)
    (base / "config/dkim/b.example/private.key").chmod(0o644)
    (base / "config/dkim/a.example/public.key").write_bytes(b"not a key\n")
    (base / "data/a.example/inbox/info").chmod(0o755)
    (base / "data/b.example/sent").chmod(0o700)
    (base / "data/README.md").unlink()


SCENARIOS = {
    "create": Scenario("", manifest(TWO, INFO, OPS, REST)),
    "add": Scenario(manifest(ONE, INFO), manifest(TWO, INFO, REST)),
    "remove": Scenario(
        manifest(TWO, INFO, OPS, REST), manifest(TWO, INFO, REST), ("--allow-removals", "1")
    ),
    "drift": Scenario(manifest(TWO, INFO, REST), manifest(TWO, INFO, REST), damage=_drift),
}


@dataclass(frozen=True, order=True)
class Point:
    """A call that changes something."""

    call: str
    number: int
    does: str = field(compare=False)  # As strace shows it, for the report.

    def __str__(self) -> str:
        return f"{self.call}:{self.number}"


@dataclass(frozen=True)
class Strike:
    """A point that was struck, and what was wrong afterwards."""

    point: Point
    problems: tuple[str, ...]
    said: str  # What the struck apply and the next one printed.


@dataclass(frozen=True)
class Bench:
    """Where the product runs, and how."""

    work: Path

    @property
    def product(self) -> Path:
        return self.work / "product"

    def apply(
        self, base: Path, scenario: Scenario, *under: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `aimx apply`, perhaps under another program."""
        return subprocess.run(
            [*under, sys.executable, "-m", "aimx", "apply", "--yes", *scenario.arguments],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.product),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHASHSEED": "0",
                "AIMX_CONFIG_DIR": str(base / "config"),
                "AIMX_DATA_DIR": str(base / "data"),
                "AIMX_RUNTIME_DIR": str(base / "run"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def prepared(self, scenario: Scenario, base: Path) -> None:
        """The instance as it is before the apply that will be struck."""
        for name in ("config", "data", "run"):
            (base / name).mkdir(parents=True)
        if scenario.before:
            (base / "config/manifest.toml").write_text(scenario.before)
            done = self.apply(base, scenario)
            assert done.returncode == 0, done.stdout
            deliver(base)
        scenario.damage(base)
        (base / "config/manifest.toml").write_text(scenario.after)


def deliver(base: Path) -> None:
    """A message alone, and one with an attachment beside it, in each mailbox."""
    account = pwd.getpwnam(OWNER)
    for mailbox in sorted(base.glob("data/*.example/inbox/*")):
        bundle = mailbox / "2026-01-02-030406-bundle"
        bundle.mkdir(mode=0o700)
        files = (mailbox / "2026-01-02-030405-hello.md", bundle / f"{bundle.name}.md", bundle / "a")
        for file in files:
            file.write_bytes(MESSAGE + str(mailbox).encode())
            file.chmod(0o600)
        for path in (bundle, *files):
            os.chown(path, account.pw_uid, account.pw_gid)


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


# Points.


def strace(log: Path, names: Sequence[str], *more: str) -> list[str]:
    # A question mark: not every machine has every one of them.
    traced = "trace=" + ",".join(f"?{name}" for name in names)
    command = ["strace", "-f", "-y", "-qq", "-o", str(log), "-e", "signal=none", "-e", traced]
    return [*command, *more]


def changes(call: str, arguments: str, base: Path) -> bool:
    """Whether the call changes something of the instance's."""
    if call in OPENING and not re.search(r"O_CREAT|O_TRUNC|O_TMPFILE", arguments):
        return False
    if call in WRITING:
        return re.match(rf"\d+<{re.escape(str(base))}/", arguments) is not None
    ours = f"{base}/" in arguments or f"{base}>" in arguments
    return ours or "/proc/self/fd/" in arguments or call in {"sync", "syncfs"}


def points(log: Path, base: Path) -> list[Point]:
    """The calls that change something, in order."""
    counted: Counter[str] = Counter()
    found, processes = [], set()
    for line in log.read_text(errors="replace").splitlines():
        if parsed := _CALL.match(line):
            process, call, arguments = parsed.groups()
            processes.add(process)
            counted[call] += 1
            if changes(call, arguments, base):
                found.append(Point(call, counted[call], _shown(call, arguments, base)))
    assert len(processes) == 1, "strace counts the calls of each process apart"
    return found


def _shown(call: str, arguments: str, base: Path) -> str:
    return f"{call}({arguments}".replace(str(base), "")[:160]


def struck(log: Path, base: Path, point: Point) -> str:
    """Why what was struck is not what was meant, if so."""
    calls = [line for line in log.read_text(errors="replace").splitlines() if _CALL.match(line)]
    if len(calls) < point.number:
        return f"there were only {len(calls)} calls of {point.call}"
    parsed = _CALL.match(calls[point.number - 1])
    assert parsed is not None
    if changes(parsed[2], parsed[3], base):
        return ""
    return f"another call was struck: {_shown(parsed[2], parsed[3], base)}"


def output_problems(name: str, done: subprocess.CompletedProcess[str]) -> Iterator[str]:
    if "Traceback" in done.stdout:
        yield f"{name} printed a traceback"


# Striking.


@dataclass(frozen=True)
class Trial:
    """A scenario, laid out, and what an apply that nothing disturbs makes of it."""

    name: str
    scenario: Scenario
    bench: Bench
    before: Path
    wanted: dict[str, Found]
    points: tuple[Point, ...]

    @classmethod
    def of(cls, name: str, bench: Bench) -> Trial:
        scenario, before = SCENARIOS[name], bench.work / name
        bench.prepared(scenario, before)
        wanted, found = _undisturbed(bench, scenario, before)
        # A run may open a file more than others do, and shift all numbers: two have to agree.
        for _ in range(LISTINGS):
            first = found
            wanted, found = _undisturbed(bench, scenario, before)
            if found == first:
                return cls(name, scenario, bench, before, wanted, found)
        raise AssertionError(f"{name}: no two runs make the same calls")

    def strike(self, fault: str, point: Point) -> Strike:
        with copied(self.before) as base:
            kept, messages = keys(self.before), mail(base)
            log = base.with_suffix(".strace")
            how, *more = FAULTS[fault]
            inject = f"inject={point.call}:{how}:when={point.number}"
            tracing = strace(log, [point.call], "-e", inject, *more)
            first = self.bench.apply(base, self.scenario, *tracing)
            problems = [*self._after_strike(base, fault, first)]
            if missed := struck(log, base, point):
                problems.append(missed)
            log.unlink()
            second = self.bench.apply(base, self.scenario)
            problems += output_problems("the next apply", second)
            if second.returncode:
                problems.append(f"the next apply ended with {second.returncode}")
            problems += differences(tree(base, kept), self.wanted)
            problems += [*journal_problems(base), *engine_problems(base)]
            if mail(base) != messages:
                problems.append("a message has another inode or other bytes")
            said = f"{first.stdout}\n--- the next apply:\n{second.stdout}"
        return Strike(point, tuple(problems), said)

    def _after_strike(
        self, base: Path, fault: str, done: subprocess.CompletedProcess[str]
    ) -> Iterator[str]:
        from aimx.doors.exits import Exit

        yield from output_problems("the struck apply", done)
        yield from engine_problems(base)
        there = lasting(tree(base, keys(self.before)))
        wanted = lasting(self.wanted)
        if fault == "kill" and done.returncode != -9:
            yield f"it was not killed, and ended with {done.returncode}"
        if fault != "kill" and done.returncode not in set(Exit):
            yield f"its exit code is {done.returncode}"
        if done.returncode == 0 and there != wanted:
            yield "it said that all is done: " + "; ".join(differences(there, wanted))
        if self.name == "create" and "data/.layout-version" in there:
            missing = sorted(wanted.keys() - there.keys())
            if missing:
                yield f"the marker stands, and there is no {', '.join(missing)}"


def _undisturbed(
    bench: Bench, scenario: Scenario, before: Path
) -> tuple[dict[str, Found], tuple[Point, ...]]:
    """What an apply that nothing disturbs makes of it, and the calls that do."""
    with copied(before) as base:
        log = base.with_suffix(".strace")
        done = bench.apply(base, scenario, *strace(log, CALLS, "--seccomp-bpf"))
        assert done.returncode == 0, done.stdout
        wanted, found = tree(base, keys(before)), points(log, base)
        assert not list(engine_problems(base))
        again = bench.apply(base, scenario)
        assert "No changes" in again.stdout, again.stdout
    return wanted, tuple(found)


def spread(all_points: Sequence[Point], budget: int | None) -> list[Point]:
    """So many of them, from the first to the last."""
    if budget is None or budget >= len(all_points):
        return list(all_points)
    step = len(all_points) / budget
    return [all_points[int(step * (number + 0.5))] for number in range(budget)]


def run(options: argparse.Namespace, bench: Bench) -> int:
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for name in options.scenario or SCENARIOS:
            trial = Trial.of(name, bench)
            chosen = [point for point in trial.points if options.point in (None, str(point))]
            if not chosen:
                print(f"{name}: no call {options.point} changes anything there.")
                return 2
            for fault in options.fault or FAULTS:
                strikes = [
                    pool.submit(trial.strike, fault, point)
                    for point in spread(chosen, options.budget)
                ]
                tried = [strike.result() for strike in strikes]
                failed += report(trial, fault, tried)
                if options.point:
                    print(*(strike.said for strike in tried), sep="\n")
    print(f"{failed} failed")
    return 1 if failed else 0


def report(trial: Trial, fault: str, tried: Sequence[Strike]) -> int:
    """Tell of a row of strikes; gives how many failed."""
    failed = [strike for strike in tried if strike.problems]
    of = f"of {len(trial.points)} points"
    print(f"{trial.name:8}{fault:8}{len(tried):4} {of}, {len(failed)} failed", flush=True)
    for strike in failed:
        print(f"  {strike.point.does}")
        print(*(f"    {problem}" for problem in strike.problems), sep="\n")
        chosen_by = f"--scenario {trial.name} --fault {fault} --point {strike.point}"
        print(f"    ./dev/crash {chosen_by}", flush=True)
    return len(failed)


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
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many at a time")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not there. Install it with `apt-get install strace`.")
        return 2
    with tempfile.TemporaryDirectory(prefix="aimx-crash-") as directory:
        bench = Bench(Path(directory))
        bench.work.chmod(0o755)  # The owners of mailboxes reach them through it.
        for name in PRODUCT:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, bench.product / name, ignore=ignored)
        compileall.compile_dir(bench.product, quiet=1)
        sys.path.insert(0, str(bench.product))
        return run(options, bench)


if __name__ == "__main__":
    sys.exit(main())
