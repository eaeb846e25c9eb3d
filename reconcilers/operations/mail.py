"""Mail: moved by renames, set aside, had again, and deleted where somebody asked for that."""

from __future__ import annotations

from pathlib import PurePosixPath

from desired.frozen import asdict, frozen, replace
from reconcilers.host.host import Access, Host
from reconcilers.inscription import RECORD, Record, amount
from reconcilers.records import rfc3339
from reconcilers.roots import FOLDERS
from reconcilers.standing import directory
from reconcilers.state import private_file
from reconcilers.step import Hands


@frozen
class Move:
    """One rename. Nothing at either end is no failure: there is nothing to be moved."""

    source: PurePosixPath
    target: PurePosixPath

    def take(self, hands: Hands) -> None:
        _move(hands.host, self.source, self.target)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.source) is None

    def undo(self, hands: Hands) -> None:
        _move(hands.host, self.target, self.source)

    def __str__(self) -> str:
        return f"move {self.source} to {self.target}"


@frozen
class SetAside:
    """A mailbox's directories become a tombstone, which is complete once it has its name."""

    sources: tuple[PurePosixPath, ...]
    retiring: PurePosixPath  # Holds the record of whose mail it is; gets the directories.
    tombstone: PurePosixPath

    def take(self, hands: Hands) -> None:
        if self.holds(hands):
            return
        for source in self.sources:
            _move(hands.host, source, self.retiring / source.parent.name)
        self._inscribe(hands.host)
        _move(hands.host, self.retiring, self.tombstone)

    def _inscribe(self, host: Host) -> None:
        """Nobody can add to the mail any more: the record says how much it is, and since when."""
        record = Record.read(host.read(self.retiring / RECORD))
        if record is None or record.delete:
            return
        found = amount(host, (self.retiring / folder for folder in FOLDERS))
        told = replace(record, at=rfc3339(host.now(), "seconds"), **asdict(found))
        host.replace(self.retiring / RECORD, told.content, private_file(host))

    def holds(self, hands: Hands) -> bool:
        look = hands.host.look
        return look(self.tombstone) is not None and look(self.retiring) is None

    def __str__(self) -> str:
        return (
            f"set aside {', '.join(map(str, self.sources or (self.retiring,)))} as {self.tombstone}"
        )


@frozen
class Reattach:
    """Mail that was set aside is a mailbox's again, whose own directory is empty: one rename."""

    source: PurePosixPath
    target: PurePosixPath
    access: Access

    def take(self, hands: Hands) -> None:
        host = hands.host
        if host.look(self.source) is not None:
            host.remove_directory(self.target)  # Refused where mail has come meanwhile.
            host.move(self.source, self.target)
        host.set_access(self.target, self.access)

    def holds(self, hands: Hands) -> bool:
        look = hands.host.look
        return look(self.source) is None and directory(look(self.target)) == self.access

    def undo(self, hands: Hands) -> None:
        if hands.host.look(self.source) is None:
            hands.host.move(self.target, self.source)
            hands.host.make_directory(self.target, self.access)

    def __str__(self) -> str:
        return f"move {self.source} to {self.target}, which is empty"


@frozen
class ClearTombstone:
    """A tombstone without mail goes; where anything else is in it, it stays."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_file(self.path / RECORD)
        hands.host.remove_directory(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"remove the empty tombstone {self.path}"


@frozen
class RemoveTree:
    """A directory that somebody asked to delete goes, with the mail below it."""

    path: PurePosixPath

    def take(self, hands: Hands) -> None:
        hands.host.remove_tree(self.path)

    def holds(self, hands: Hands) -> bool:
        return hands.host.look(self.path) is None

    def __str__(self) -> str:
        return f"delete {self.path}"


def _move(host: Host, source: PurePosixPath, target: PurePosixPath) -> None:
    if host.look(source) is not None:
        host.move(source, target)
