"""Unlinking a whole tree by descriptors, while its former owner may still be at work in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from desired.frozen import field, mutable
from reconcilers.host.anchors import enter
from reconcilers.host.host import StepError
from reconcilers.host.renaming import rename_new

# Of a tree. Who is in its deepest directory may dig on while we follow, and nobody is followed for
# ever; without that a removal ends, since a directory that is ours grows no more.
DEEPEST = 100_000


def remove_tree(name: str, directory: int, deepest: int = DEEPEST) -> None:
    """Remove the directory of that name, and everything below it; raises `StepError`.

    Each directory becomes ours and 0700 before it is listed: whoever has it open can add nothing
    after that. Directories below are renamed up into the top one first, so that a tree that
    somebody made very deep needs neither a deep stack nor many descriptors.
    """
    with _seized(name, directory) as top:
        removal = _Removal(name, top, deepest)
        while names := os.listdir(top):
            for below in names:
                if _is_directory(below, top):
                    removal.remove_level(below)
                else:
                    os.unlink(below, dir_fd=top)
    os.rmdir(name, dir_fd=directory)


@mutable
class _Removal:
    """What was moved up into the top directory, and how deep it was."""

    name: str
    top: int
    deepest: int
    _numbers: Iterator[int] = field(default_factory=count)
    _depths: dict[str, int] = field(default_factory=dict)

    def remove_level(self, name: str) -> None:
        """Remove one directory in the top one; the directories in it move up instead."""
        depth = self._depths.pop(name, 1)
        with _seized(name, self.top) as level:
            for below in os.listdir(level):
                if _is_directory(below, level):
                    self._move_up(below, level, depth + 1)
                else:
                    os.unlink(below, dir_fd=level)
        os.rmdir(name, dir_fd=self.top)

    def _move_up(self, name: str, level: int, depth: int) -> None:
        if depth > self.deepest:
            raise StepError(
                f"{self.name}: is deeper than anybody can follow. End what its former owner runs,"
                " and do it again."
            )
        with _seized(name, level):  # A directory that is not writable cannot change its parent.
            for above in (f".aimx-removed-{number}" for number in self._numbers):
                with suppress(FileExistsError):
                    rename_new(name, level, above, self.top)
                    self._depths[above] = depth
                    break


@contextmanager
def _seized(name: str, directory: int) -> Iterator[int]:
    """A descriptor of a directory that from now on is ours alone."""
    descriptor = enter(name, directory)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o700)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_directory(name: str, directory: int) -> bool:
    return stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode)
