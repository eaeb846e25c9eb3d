"""Steps that take away what holds no mail: in the way of a layout, or left of a domain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath

from desired.frozen import frozen
from reconcilers.host.host import Host, Nature, Reading, StepError
from reconcilers.roots import FOLDERS
from reconcilers.step import Hands


@frozen
class RemoveEmpty:
    """A tree of directories goes in which there is nothing; a file in it keeps it there."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        self._remove(hands.host, self.path)

    def _remove(self, host: Host, path: PurePosixPath) -> None:
        for name in host.names(path) or ():
            self._remove(host, path / name)
        host.remove_directory(path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove the empty directory {self.path}"


@frozen
class Prune:
    """The tree of a domain goes as far as there is nothing in it.

    What stands where a mailbox would, and is none, may be somebody's mail: with anything in it, it
    stays, and is not entered.
    """

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        for directory in self._directories(hands.host):
            if hands.host.names(directory) == ():
                with suppress(StepError):  # Somebody put something into it just now.
                    hands.host.remove_directory(directory)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        return all(host.names(directory) != () for directory in self._directories(host))

    def _directories(self, host: Reading) -> Iterator[PurePosixPath]:
        """Those of the tree, each before the one that it stands in."""
        tree = host.look(self.path)
        if tree is None or tree.nature is not Nature.DIRECTORY:
            return
        for folder in (self.path / name for name in FOLDERS):
            entry = host.look(folder)
            if entry is None or entry.nature is not Nature.DIRECTORY:
                continue
            entries = host.look_within(folder, host.names(folder) or ()) or {}
            for name, found in entries.items():
                # What is mounted there is none of our business.
                if found and found.nature is Nature.DIRECTORY and found.device == tree.device:
                    yield folder / name
            yield folder
        yield self.path

    def __str__(self) -> str:
        return f"remove what is empty of {self.path}"
