"""Unlinking a whole tree by descriptors, while its former owner may still be at work in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

from reconcilers.host.anchors import enter
from reconcilers.host.renaming import rename_new


def remove_tree(name: str, directory: int) -> None:
    """Remove the directory of that name, and everything below it.

    Each directory becomes ours and 0700 before it is listed: whoever has it open can add nothing
    after that. Directories below are renamed up into the top one first, so that a tree that
    somebody made very deep needs neither a deep stack nor many descriptors.
    """
    numbers = count()
    with _seized(name, directory) as top:
        while names := os.listdir(top):
            for below in names:
                if _is_directory(below, top):
                    _remove_level(below, top, numbers)
                else:
                    os.unlink(below, dir_fd=top)
    os.rmdir(name, dir_fd=directory)


def _remove_level(name: str, top: int, numbers: count[int]) -> None:
    """Remove one directory in `top`; the directories in it move up instead."""
    with _seized(name, top) as level:
        for below in os.listdir(level):
            if _is_directory(below, level):
                _move_up(below, level, top, numbers)
            else:
                os.unlink(below, dir_fd=level)
    os.rmdir(name, dir_fd=top)


def _move_up(name: str, level: int, top: int, numbers: count[int]) -> None:
    with _seized(name, level):  # A directory that is not writable cannot change its parent.
        for number in numbers:
            with suppress(FileExistsError):
                rename_new(name, level, f".aimx-removed-{number}", top)
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
