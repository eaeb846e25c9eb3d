"""What stands at a name in an open directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from reconcilers.host.host import Entry, Nature

_NATURES = {
    stat.S_IFREG: Nature.FILE,
    stat.S_IFDIR: Nature.DIRECTORY,
    stat.S_IFLNK: Nature.SYMLINK,
}

_FEW = 4  # Names that are asked for one by one in less time than a directory is listed.


def look(name: str, parent: int) -> Entry | None:
    try:
        return entry(os.stat(name, dir_fd=parent, follow_symlinks=False))
    except FileNotFoundError:
        return None


def entries(names: Iterable[str], parent: int) -> dict[str, Entry | None]:
    """`look` at each of thousands: a call less for each is a tenth of the time.

    To be told by an error that a name is absent takes longer than to list some, so that where one
    is, the directory says of the rest which are there.
    """
    found: dict[str, Entry | None] = {}
    stat_of, there, wanted = os.stat, None, list(names)
    for name in wanted:
        found[name] = None
        if there is not None and name not in there:
            continue
        try:
            found[name] = entry(stat_of(name, dir_fd=parent, follow_symlinks=False))
        except FileNotFoundError:
            if there is None and len(wanted) > _FEW:
                there = frozenset(os.listdir(parent))
    return found


def entry(found: os.stat_result) -> Entry:
    mode = found.st_mode
    return Entry(
        _NATURES.get(stat.S_IFMT(mode), Nature.OTHER),
        stat.S_IMODE(mode),
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_ino,
        found.st_dev,
    )
