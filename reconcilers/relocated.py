"""The machine as it will be once some things have been renamed; it is only looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.host.host import Access, Account, Entry, Nature, Reading


@frozen
class Shift:
    """One rename, or with no target something that goes because nothing is in it."""

    source: PurePosixPath
    target: PurePosixPath | None


class Relocated:
    """Shows at each target what still stands at its source.

    What is planned on it is to be done after the renames, in their order.
    """

    def __init__(
        self, host: Reading, shifts: Iterable[Shift], made: Mapping[PurePosixPath, Access]
    ) -> None:
        self._host = host
        self._shifts = tuple(shifts)
        self._made = made  # Directories that are made so that something can come into them.
        ends = [path for shift in self._shifts for path in (shift.source, shift.target) if path]
        self._ends = frozenset((*ends, *made))

    def user(self) -> Account:
        return self._host.user()

    def account(self, name: str) -> Account | None:
        return self._host.account(name)

    def look(self, path: PurePosixPath) -> Entry | None:
        origin = self._origin(path)
        entry = None if origin is None else self._host.look(origin)
        return self._new(path) if entry is None and path in self._made else entry

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        wanted = tuple(names)
        here = self.look(directory)
        if here is None or here.nature is not Nature.DIRECTORY:
            return None
        origin = self._origin(directory)
        seen = None if origin is None else self._host.look_within(origin, wanted)
        found = dict(seen) if seen is not None else dict.fromkeys(wanted)
        for name in wanted:
            if directory / name in self._ends:
                found[name] = self.look(directory / name)
        return found

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        here = self.look(directory)
        if here is None or here.nature is not Nature.DIRECTORY:
            return None
        origin = self._origin(directory)
        found = set((None if origin is None else self._host.names(origin)) or ())
        for path in self._ends:
            if path.parent == directory:
                (found.discard if self.look(path) is None else found.add)(path.name)
        return tuple(sorted(found))

    def read(self, path: PurePosixPath) -> bytes | None:
        origin = self._origin(path)
        return None if origin is None else self._host.read(origin)

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        origin = self._origin(path)
        return None if origin is None else self._host.read_part(origin, start, octets)

    def _origin(self, path: PurePosixPath) -> PurePosixPath | None:
        """Where it stands now; None where nothing will be."""
        for shift in reversed(self._shifts):
            if shift.target is not None and path.is_relative_to(shift.target):
                path = shift.source / path.relative_to(shift.target)
            elif path.is_relative_to(shift.source):
                return None
        return path

    def _new(self, path: PurePosixPath) -> Entry:
        """A directory that is not made yet, on the file system that it will be on."""
        above, access = self.look(path.parent), self._made[path]
        device = above.device if above else 0
        return Entry(Nature.DIRECTORY, access.mode, access.uid, access.gid, 0, 0, device)
