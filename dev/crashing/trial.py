"""A scenario that is struck at one point after another, each on a copy, and what is seen then."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .commands import import_for, run
from .cuts import Cut, cuts_in, replay
from .disk import Disk, lay_down
from .forks import Done
from .found import (
    Found,
    differences,
    engine_problems,
    held,
    journal_problems,
    keys,
    lasting,
    mail,
    tree,
)
from .points import Point, injecting, listing, listing_until, missed, points
from .scenarios import APPLY, SCENARIOS, Scenario, lay_out

LISTINGS = 5  # How often the calls are listed at most.


@contextmanager
def copied(before: Path) -> Iterator[Path]:
    """A copy to strike, which is gone afterwards."""
    with _place(before) as base:
        subprocess.run(["cp", "-a", before, base], check=True)
        yield base


@contextmanager
def _place(before: Path) -> Iterator[Path]:
    # At the same depth as the first: the product opens one directory after another.
    base = Path(tempfile.mkdtemp(prefix=before.name, dir=before.parent))
    base.rmdir()
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)
        base.with_suffix(".strace").unlink(missing_ok=True)


@dataclass(frozen=True)
class Strike:
    """A point that was struck, and what was wrong afterwards."""

    point: Point
    problems: tuple[str, ...]
    said: str  # What the struck command and the next one printed.
    missed: bool = False  # Another call was struck.


@dataclass(frozen=True)
class Trial:
    """A scenario, laid out, and what comes of it where nothing disturbs."""

    name: str
    before: Path
    former: dict[str, Found]
    wanted: dict[str, Found]
    points: tuple[Point, ...]

    @classmethod
    def of(cls, name: str, work: Path) -> Trial:
        scenario, before = SCENARIOS[name], work / name
        lay_out(scenario, before)
        former = tree(before, keys(before))
        with copied(before) as base:
            # What one of them imports, no later one has to: that would shift all numbers.
            for command in (scenario.command, scenario.finishing, scenario.again):
                import_for(base, command)
            list(engine_problems(base))
        wanted, found = _undisturbed(scenario, before)
        # A run may open a file more than others do, and shift all numbers: two have to agree.
        for _ in range(LISTINGS):
            first = found
            wanted, found = _undisturbed(scenario, before)
            if found == first:
                return cls(name, before, former, wanted, found)
        raise AssertionError(f"{name}: no two runs make the same calls")

    @property
    def scenario(self) -> Scenario:
        return SCENARIOS[self.name]

    def staying(self, base: Path) -> frozenset[tuple[int, str]]:
        """The messages that nobody may touch, as they are there now."""
        doomed = mail(self.before, self.scenario.deleted) if self.scenario.deleted else frozenset()
        digests = {digest for _, digest in doomed}
        return frozenset(each for each in mail(base) if each[1] not in digests)

    # A process that is killed, or whose call fails.

    def strike(self, fault: str, point: Point) -> Strike:
        """Strike it, and again where a run opened a file more than others do."""
        for _ in range(LISTINGS):
            later = fault == "cut-later"
            strike = self._cut_later(point) if later else self._strike(fault, point)
            if not strike.missed:
                break
        return strike

    def _strike(self, fault: str, point: Point) -> Strike:
        with copied(self.before) as base:
            messages = self.staying(base)
            log = base.with_suffix(".strace")
            first = run(base, self.scenario.command, injecting(log, point, fault))
            problems = [*self._after_strike(base, fault, first)]
            other = missed(log, base, point)
            problems += [other] if other else []
            if not messages <= mail(base):
                problems.append("a message has another inode or other bytes")
            second = self.finished(base, problems)
            said = f"{first.output}\n--- the next apply:\n{second.output}"
        return Strike(point, tuple(problems), said, missed=bool(other))

    def _after_strike(self, base: Path, fault: str, done: Done) -> Iterator[str]:
        from aimx.doors.exits import Exit

        yield from output_problems("the struck apply", done)
        yield from self.at_that_instant(base)
        if fault == "kill" and done.code != -9:
            yield f"it was not killed, and ended with {done.code}"
        if fault != "kill" and done.code not in set(Exit):
            yield f"its exit code is {done.code}"
        if done.code == 0:
            yield from self.not_done(base)

    def at_that_instant(self, base: Path) -> Iterator[str]:
        """What is wrong whether or not another apply comes."""
        yield from engine_problems(base, moving=self.scenario.moving)
        yield from self.neither(base)
        if self.name == "create" and (base / "data/.layout-version").exists():
            there = tree(base, keys(self.before))
            missing = sorted(lasting(self.wanted).keys() - there.keys())
            if missing:
                yield f"the marker stands, and there is no {', '.join(missing)}"

    def neither(self, base: Path) -> Iterator[str]:
        """A file that is there before and afterwards is one or the other, at any instant."""
        there = tree(base, keys(self.before))
        for path in sorted(self.former.keys() & lasting(self.wanted).keys()):
            ways = [self.former[path].content, self.wanted[path].content]
            if ways != [None, None] and (path not in there or there[path].content not in ways):
                yield f"{path} is neither as it was nor as it will be"

    def not_done(self, base: Path) -> Iterator[str]:
        """What is missing although it was said that all is done."""
        there, wanted = lasting(tree(base, keys(self.before))), lasting(self.wanted)
        if there != wanted:
            yield "it said that all is done: " + "; ".join(differences(there, wanted))

    def finished(self, base: Path, problems: list[str]) -> Done:
        """What the next apply makes of what is there."""
        made, messages = keys(base), self.staying(base)
        done = run(base, self.scenario.next(base))
        problems += output_problems("the next apply", done)
        if done.code:
            problems.append(f"the next apply ended with {done.code}")
        problems += differences(tree(base, keys(self.before)), self.wanted)
        problems += [*journal_problems(base), *engine_problems(base)]
        if made - keys(base):
            problems.append("a key that stood there was replaced")
        if not messages <= mail(base):
            problems.append("the next apply touched a message")
        return done

    # A machine whose power is cut.

    def cuts(self) -> Iterator[tuple[Point, tuple[Cut, ...]]]:
        """What a power cut may leave at each point, and after the end."""
        with copied(self.before) as base:
            disk, log = Disk.of(base), base.with_suffix(".strace")
            done = run(base, self.scenario.command, listing(log))
            assert done.code == 0, done.output
            yield from cuts_in(disk, log, base)

    def cut(self, point: Point, cuts: tuple[Cut, ...]) -> Strike:
        problems, said = [], []
        for cut in cuts:
            found, done = self._cut(cut)
            problems += [f"{problem} ({cut.lost})" for problem in found]
            said += [f"--- {cut.lost}:", done.output]
        return Strike(point, tuple(problems), "\n".join(said))

    def _cut(self, cut: Cut) -> tuple[list[str], Done]:
        with _place(self.before) as base:
            lay_down(cut.tree, base)
            problems = [*self.at_that_instant(base), *self.lost(base)]
            if cut.done:
                problems += self.not_done(base)
            return problems, self.finished(base, problems)

    def lost(self, base: Path) -> Iterator[str]:
        """What no power cut may take, whatever is flushed."""
        messages = Counter(digest for _, digest in self.staying(self.before))
        if messages - Counter(digest for _, digest in mail(base)):
            yield "a message is lost"
        if not keys(self.before) <= held(base / "config"):
            yield "a key is lost"

    # A machine whose power is cut after a killed apply was finished, or while it is.

    def _cut_later(self, point: Point) -> Strike:
        """What a killed apply left unflushed is seen by the next one, and by nobody afterwards."""
        with copied(self.before) as base:
            disk, log = Disk.of(base), base.with_suffix(".strace")
            first = run(base, self.scenario.command, listing_until(log, point, "kill"))
            other = missed(log, base, point)
            replay(disk, log, base)
            second = run(base, self.scenario.next(base), listing(log))
            found = list(cuts_in(disk, log, base))
        problems = [other] if other else []
        for later, cuts in found:
            for cut in cuts:
                problems += [f"{told} (at {later.does}; {cut.lost})" for told in self.after(cut)]
        said = f"{first.output}\n--- the next apply:\n{second.output}"
        return Strike(point, tuple(problems), said, missed=bool(other))

    def after(self, cut: Cut) -> Iterator[str]:
        with _place(self.before) as base:
            lay_down(cut.tree, base)
            yield from self.at_that_instant(base)
            yield from self.lost(base)
            if cut.done and self.scenario.journalled:
                yield from self.not_done(base)


def _undisturbed(scenario: Scenario, before: Path) -> tuple[dict[str, Found], tuple[Point, ...]]:
    """What comes of it where nothing disturbs, and the calls that do it."""
    with copied(before) as base:
        log = base.with_suffix(".strace")
        done = run(base, scenario.command, listing(log))
        assert done.code == 0, done.output
        wanted, found = tree(base, keys(before)), points(log, base)
        assert not list(engine_problems(base))
        again = run(base, scenario.again)
        assert again.code == 0, again.output
        assert scenario.again != APPLY or "No changes" in again.output, again.output
        assert not list(differences(tree(base, keys(before)), wanted))
    return wanted, tuple(found)


def output_problems(name: str, done: Done) -> Iterator[str]:
    if "Traceback" in done.output:
        yield f"{name} printed a traceback"
