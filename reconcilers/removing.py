"""Steps that take away what holds no mail, and is in the way of a layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from reconcilers.host.host import Host
from reconcilers.step import Hands


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file goes."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_file(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove {self.path}"
