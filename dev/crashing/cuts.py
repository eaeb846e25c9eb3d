"""What a power cut may leave at each call of a command, by what was flushed until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .disk import Disk, Tree
from .points import Point, with_points
from .replay import Replay

AFTERWARDS = Point("end", 1, "after it has ended")


@dataclass(frozen=True)
class Cut:
    """What a power cut may leave at a point, unless it may at an earlier one."""

    lost: str
    tree: Tree
    done: bool  # The command had said that it is done.


def replay(disk: Disk, log: Path, base: Path) -> None:
    """Carry out what is in the log; the model is seen to agree with the machine."""
    for _ in _replayed(disk, log, base):
        pass


def _replayed(disk: Disk, log: Path, base: Path) -> Iterator[Point]:
    """Before each point that is carried out."""
    process = Replay(disk, base)
    for call, point in with_points(log, base):
        if point is not None:
            yield point
        process.carry_out(call)
    assert _plain(disk.tree()) == _plain(Disk.of(base).tree()), "the model is of another machine"


def _plain(found: Tree) -> list[object]:
    return [(path, inode) for path, _, inode in found]


def cuts_in(disk: Disk, log: Path, base: Path) -> Iterator[tuple[Point, tuple[Cut, ...]]]:
    """What it may leave at each point of the log, and after the end."""
    known: set[Tree] = set()
    for point in _replayed(disk, log, base):
        yield point, tuple(_new_cuts(disk, known, done=False))
    known.clear()  # What was harmless before is not what was promised.
    yield AFTERWARDS, tuple(_new_cuts(disk, known, done=True))


def _new_cuts(disk: Disk, known: set[Tree], *, done: bool) -> Iterator[Cut]:
    for lost, left in disk.after_a_cut():
        if left not in known:
            known.add(left)
            yield Cut(lost, left, done)
