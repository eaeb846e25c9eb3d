"""A file system as running programs see it, and as a power cut may leave it.

What is promised is what POSIX and the common file systems keep, and no more:

* a file's bytes, and its mode and owner, are on disk once it was flushed; until then, each may be
  there or not, and bytes also in part;
* a name is on disk once its directory was flushed, and one that moves, once both were; until then
  it is there or not. That a file is flushed says nothing about its name;
* names of one directory get there in the order in which they were made, and a name leads to a file
  or a directory with the mode and owner that it had when it was named. (This is more than POSIX
  promises: journals of file systems keep what is no content in order. It spares a flush of each new
  directory, which is a third of the time of an apply that makes many.);
* a rename is there wholly or not at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeAlias


class Aspect(Enum):
    """What of an inode is flushed together."""

    CONTENT = auto()  # A file's bytes, or a directory's names.
    ACCESS = auto()


@dataclass(frozen=True)
class Inode:
    """A file or a directory, whatever it is called."""

    nature: int  # As `stat` has it.
    mode: int
    uid: int
    gid: int
    content: bytes = b""
    names: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def is_directory(self) -> bool:
        return self.nature == stat.S_IFDIR


Inodes: TypeAlias = dict[int, Inode]
Touched: TypeAlias = tuple[int, Aspect]

# A path, the inode that it leads to, and that inode without the names in it.
Tree: TypeAlias = tuple[tuple[str, int, Inode], ...]


@dataclass(eq=False)
class Change:
    """One change of one or two inodes, which is there wholly or not at all."""

    does: str
    edits: tuple[
        tuple[int, dict[str, Any]], ...
    ]  # New values of fields; of names, those that change.
    unflushed: set[Touched]
    leads_to: frozenset[Touched] = frozenset()  # What is there if this is.
    formerly: bytes = b""  # What a file held before.
    touches: frozenset[Touched] = frozenset()

    def __post_init__(self) -> None:
        self.touches = frozenset(self.unflushed)

    @property
    def is_content(self) -> bool:
        """Whether it is of a file's bytes."""
        return any("content" in fields for _, fields in self.edits)

    @property
    def torn(self) -> Change:
        """The same, with half of the bytes that it changes."""
        ((number, fields),) = self.edits
        new, old = fields["content"], self.formerly
        begin = _common(old, new)
        end = len(new) - _common(old[begin:][::-1], new[begin:][::-1])
        middle = (begin + end) // 2
        half = new[:middle] + old[middle:]
        return Change(f"half of {self.does}", ((number, {"content": half}),), set(self.touches))


def _common(one: bytes, other: bytes) -> int:
    """How many octets they begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


ROOT = 0


class Disk:
    """What changes, and when it is sure to be on disk."""

    def __init__(self, inodes: Inodes) -> None:
        self.seen = dict(inodes)  # By running programs.
        self._kept = dict(inodes)  # What no power cut takes away.
        self.pending: list[Change] = []  # What one may take away.

    @classmethod
    def of(cls, base: Path) -> Disk:
        """What stands below a directory now, all of it on disk."""
        inodes: Inodes = {}
        numbers: dict[int, int] = {}
        _read(base, inodes, numbers)
        return cls(inodes)

    def copy(self) -> Disk:
        """Another one in the same condition."""
        other = Disk(self.seen)
        other._kept = dict(self._kept)
        other.pending = [
            replace(change, unflushed=set(change.unflushed)) for change in self.pending
        ]
        return other

    def born(self, inode: Inode) -> int:
        """A new inode, which has no name yet."""
        number = len(self.seen)
        self.seen[number] = self._kept[number] = inode
        return number

    def change(
        self,
        does: str,
        touches: Iterable[Touched],
        *edits: tuple[int, dict[str, Any]],
        leads_to: frozenset[Touched] = frozenset(),
    ) -> None:
        formerly = self.seen[edits[0][0]].content
        change = Change(does, edits, set(touches), leads_to, formerly)
        _make(self.seen, change)
        self.pending.append(change)

    def name(self, does: str, *names: tuple[int, str, int | None]) -> None:
        """Names given, or with None taken away, in one go."""
        edits: dict[int, dict[str, int | None]] = {}
        for directory, name, number in names:
            edits.setdefault(directory, {})[name] = number
        touches = {(directory, Aspect.CONTENT) for directory in edits}
        given = ((number, {"names": each}) for number, each in edits.items())
        leads_to = frozenset((each, Aspect.ACCESS) for *_, each in names if each is not None)
        self.change(does, touches, *given, leads_to=leads_to)

    def flush(self, number: int, *aspects: Aspect) -> None:
        """Whatever was changed of it is on disk, with what came before that in the same place."""
        for change in self.pending:
            change.unflushed -= {(number, aspect) for aspect in aspects}
        self._settle()

    def flush_all(self) -> None:
        for change in self.pending:
            change.unflushed.clear()
        self._settle()

    def _settle(self) -> None:
        done = _with_earlier(self.pending, lambda change: not change.unflushed)
        for change in done:
            _make(self._kept, change)
        self.pending = [change for change in self.pending if change not in done]

    def tree(self) -> Tree:
        """What programs see."""
        return _tree(self.seen)

    def after_a_cut(self) -> Iterator[tuple[str, Tree]]:
        """What a power cut may leave now, and what got lost or was saved; some are alike."""
        yield "all that was not flushed is lost", self._left(())
        yield (
            "names are there, bytes of files are not",
            self._left(change for change in self.pending if not change.is_content),
        )
        for change in self.pending:
            if change.is_content:
                torn = [change.torn if each is change else each for each in self.pending]
                yield f"there in part: {change.does}", self._left(torn)
        for touched in {touched: None for change in self.pending for touched in sorted_of(change)}:
            chosen = _with_earlier(self.pending, lambda each: touched in each.touches)  # noqa: B023
            yield f"alone is there: {_told(chosen)}", self._left(chosen)
            rest = _without_later(self.pending, lambda each: touched in each.touches)  # noqa: B023
            lost = [change for change in self.pending if change not in rest]
            yield f"alone is lost: {_told(lost)}", self._left(rest)

    def _left(self, changes: Iterable[Change]) -> Tree:
        inodes = dict(self._kept)
        for change in changes:
            _make(inodes, change)
        return _tree(inodes)


def sorted_of(change: Change) -> list[Touched]:
    return sorted(change.touches, key=lambda touched: (touched[0], touched[1].value))


def _told(changes: Iterable[Change]) -> str:
    return "; ".join(change.does for change in changes)


def _make(inodes: Inodes, change: Change) -> None:
    for number, fields in change.edits:
        inode = inodes[number]
        if "names" in fields:
            merged = {**inode.names, **fields["names"]}
            names = {name: leads for name, leads in merged.items() if leads is not None}
            inode = replace(inode, names=names)
        else:
            inode = replace(inode, **fields)
        inodes[number] = inode


def _with_earlier(changes: list[Change], chosen: Callable[[Change], bool]) -> list[Change]:
    """Those, and whatever was changed before in the same places."""
    found: list[Change] = []
    needed: set[Touched] = set()
    for change in reversed(changes):
        if chosen(change) or change.touches & needed:
            found.append(change)
            needed |= change.touches | change.leads_to
    return found[::-1]


def _without_later(changes: list[Change], lost: Callable[[Change], bool]) -> list[Change]:
    """All but those, and but what was changed after them in the same places."""
    found: list[Change] = []
    gone: set[Touched] = set()
    for change in changes:
        if lost(change) or (change.touches | change.leads_to) & gone:
            gone |= change.touches
        else:
            found.append(change)
    return found


def _tree(inodes: Inodes) -> Tree:
    return tuple(_below(inodes, ROOT, ""))


def _below(inodes: Inodes, directory: int, path: str) -> Iterator[tuple[str, int, Inode]]:
    for name, number in sorted(inodes[directory].names.items()):
        inode = inodes[number]
        yield f"{path}{name}", number, replace(inode, names={})
        if inode.is_directory:
            yield from _below(inodes, number, f"{path}{name}/")


def _read(path: Path, inodes: Inodes, numbers: dict[int, int]) -> int:
    status = path.lstat()
    assert stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode), path
    if status.st_ino in numbers:
        return numbers[status.st_ino]
    number = numbers[status.st_ino] = len(numbers)
    access = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    if path.is_dir():
        names = {each.name: _read(each, inodes, numbers) for each in sorted(path.iterdir())}
        inodes[number] = Inode(stat.S_IFDIR, *access, names=names)
    else:
        inodes[number] = Inode(stat.S_IFREG, *access, content=path.read_bytes())
    return number


def lay_down(tree: Tree, base: Path, formerly: bytes = b"") -> None:
    """Make a directory hold exactly this; where the files tell of a former place, of this one."""
    made: dict[int, Path] = {}
    base.mkdir()
    for name, number, inode in tree:
        path = base / name
        if inode.is_directory:
            path.mkdir()
        elif number in made:
            os.link(made[number], path)
        else:
            path.write_bytes(
                inode.content.replace(formerly, bytes(base)) if formerly else inode.content
            )
        made[number] = path
    for name, _, inode in reversed(tree):
        os.chown(base / name, inode.uid, inode.gid)
        os.chmod(base / name, inode.mode)
