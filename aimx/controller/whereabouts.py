"""Where an event may mean that the sources are others: every step of the way to them.

An editor renames over the file, a ConfigMap flips a link beside it, a deployment moves a
directory three levels up. So every directory on the way is watched, and in each of them the
one name that the way goes through.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from desired.frozen import frozen

# The same directory may have several names, and the kernel tells of events under one of them.
Identity: TypeAlias = tuple[int, int]

_LONGEST_WAY = 40  # Links, as the kernel has it.


@frozen
class Whereabouts:
    """Which directories to watch, and which of their names matter."""

    directories: frozenset[tuple[str, Identity]] = frozenset()  # Each under one name.
    names: frozenset[tuple[Identity, str]] = frozenset()
    full: frozenset[Identity] = frozenset()  # Where every name matters.

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(path for path, _ in self.directories))

    def concerns(self, path: str) -> bool:
        """Whether an event at the path may mean other sources."""
        directory, _, name = path.rpartition("/")
        known = dict(self.directories)
        identity = known.get(directory or "/")
        if identity is None or path in known:
            return True
        return identity in self.full or (identity, name) in self.names

    def remade(self, changed: Iterable[str]) -> bool:
        """Whether one of the directories is not what it was, under whatever number it has now."""
        return not set(changed).isdisjoint(path for path, _ in self.directories)


def whereabouts(sources: Iterable[Path], directory: Path) -> Whereabouts:
    """Of files, and of a directory whose every entry may become one."""
    steps = {step for path in (*sources, directory) for step in _steps(path)}
    by_identity: dict[Identity, str] = {}
    names = set()
    for step in sorted(steps):
        identity = _identity(step.parent)
        if identity is not None:
            by_identity.setdefault(identity, str(step.parent))
            names.add((identity, step.name))
    inside = _identity(directory)
    if inside is not None:
        by_identity.setdefault(inside, str(directory))
    return Whereabouts(
        frozenset((path, identity) for identity, path in by_identity.items()),
        frozenset(names),
        frozenset({inside} if inside is not None else ()),
    )


def _steps(path: Path) -> Iterator[Path]:
    """Each path that is looked up on the way: every link that it leads through, and its parts."""
    for hop in _hops(path):
        yield from (step for step in (hop, *hop.parents) if step.name)


def _hops(path: Path, limit: int = _LONGEST_WAY) -> Iterator[Path]:
    """The path, and each path that it leads to by a symbolic link, in its parts as well."""
    yield path
    if not limit:
        return
    for part in (path, *path.parents):
        try:
            target = part.parent / os.readlink(part)
        except OSError:
            continue
        yield from _hops(target / path.relative_to(part), limit - 1)
        return


def _identity(directory: Path) -> Identity | None:
    """None where there is no such directory, or none that this user may watch."""
    try:
        found = os.stat(directory / ".")
    except OSError:
        return None
    # One that is refused would cost the others.
    return (found.st_dev, found.st_ino) if os.access(directory, os.R_OK) else None
