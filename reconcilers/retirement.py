"""How a mailbox that left the manifest goes: its mail is set aside whole, or deleted where asked.

What is to go is written down under `retiring/` before the engine config forgets the mailbox, so
that the next apply finishes what a killed one began; the record then stands in the tombstone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import PurePosixPath

from desired.names import CATCHALL_FOLDER, WILDCARD, Address, InvalidNameError
from reconcilers.blocks import removing
from reconcilers.change import Blocked
from reconcilers.host.host import Nature, Reading
from reconcilers.operations import MakeDirectory, RemoveTree, SetAside, WriteFile
from reconcilers.reconciler import World
from reconcilers.roots import Roots
from reconcilers.standing import access
from reconcilers.step import Operation, Phase

RECORD = "tombstone.json"
# No address has a comma: what bears this is being deleted, and is nobody's mail any more.
_DELETING = ",deleting"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Record:
    """Whose mail a tombstone is, for whoever restores it."""

    address: str
    owner: str
    tombstone: str  # The tombstone's name.
    delete: bool = False  # Somebody asked for the mail to go as well.

    @classmethod
    def read(cls, content: bytes | None) -> Record | None:
        """The record, or None where there is none that can be read."""
        try:
            return cls(**json.loads(content)) if content else None
        except (ValueError, TypeError):
            return None

    @property
    def content(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Retirement:
    """What becomes of the mail of one mailbox."""

    record: Record
    written: bool  # The record stands where the steps put it.
    anything: bool  # There is mail, or a directory for it.
    directories: tuple[PurePosixPath, ...]  # Where mail of it still stands.
    retiring: PurePosixPath
    aside: PurePosixPath  # Where it is whole, and no mailbox's any more.

    def steps(self, world: World) -> Iterator[tuple[Phase, Operation]]:
        if not self.anything:
            return
        user = world.host.user()
        if not self.written:
            yield Phase.STORAGE, MakeDirectory(self.retiring, access(0o700, user))
            path, readable = self.retiring / RECORD, access(0o600, user)
            yield Phase.STORAGE, WriteFile(path, self.record.content, readable)
        yield Phase.RETIRE, SetAside(self.directories, self.retiring, self.aside)
        if self.record.delete:
            yield Phase.RETIRE, RemoveTree(self.aside)

    def obstacle(self, host: Reading) -> Blocked | None:
        """An earlier removal got half-way, and the mailbox has come back since."""
        for directory in self.directories:
            half = self.retiring / directory.parent.name
            if host.look(half) is not None:
                return Blocked(
                    "retiring-exists",
                    f"{half} holds mail that an unfinished removal set aside",
                    f"move {self.retiring} into the tombstones by hand, then apply again",
                )
        return None

    def notes(self, host: Reading) -> Iterator[str]:
        yield _count(host, self.directories)
        if not self.record.delete:
            yield f"Its mail becomes the tombstone {self.record.tombstone}; nothing is deleted."


def retirement(
    world: World, address: Address, directories: tuple[PurePosixPath, ...]
) -> Retirement:
    """What is to become of the mail, as an earlier apply wrote it down, or as it is now asked."""
    host, roots, name = world.host, world.roots, folder_name(address)
    retiring, discarded = roots.retiring / name, roots.retiring / f"{name}{_DELETING}"
    there = Record.read(host.read(retiring / RECORD))
    applied = world.applied.mailboxes.get(str(address)) if world.applied else None
    if applied is not None:
        block = removing(world, str(address))
        deleting = block is not None and block.data == "delete"
        record = Record(str(address), applied.owner, _free(world, name), deleting)
        begun, written = False, there == record
    else:
        # The engine has let go of it. Without a record it was being deleted, which takes it first.
        deleting = host.look(discarded) is not None
        record = there or Record(str(address), "", _free(world, name), deleting)
        begun, written = deleting or host.look(retiring) is not None, bool(there or deleting)
    return Retirement(
        record=record,
        written=written,
        anything=bool(directories) or begun,
        directories=directories,
        retiring=retiring,
        aside=discarded if record.delete else roots.tombstones / record.tombstone,
    )


def under_way(host: Reading, roots: Roots) -> Iterator[Address]:
    """The mailboxes whose removal was begun and not finished."""
    for name in host.names(roots.retiring) or ():
        local, at, domain = name.removesuffix(_DELETING).rpartition("@")
        with suppress(InvalidNameError):  # What somebody else put there is theirs.
            yield Address.parse(f"{WILDCARD if local == CATCHALL_FOLDER else local}{at}{domain}")


def folder_name(address: Address) -> str:
    """The address as a file may be called."""
    return f"{address.folder}@{address.domain}"


def _free(world: World, name: str) -> str:
    """The tombstone's name: the address, and the generation without it."""
    names = set(world.host.names(world.roots.tombstones) or ())
    wanted = f"{name}.{world.generation + 1}"
    if wanted not in names:
        return wanted
    return next(free for n in count(2) if (free := f"{wanted}-{n}") not in names)


def _count(host: Reading, directories: tuple[PurePosixPath, ...]) -> str:
    """How much mail it is, from names and sizes alone."""
    messages = octets = 0
    newest = ""
    for directory in directories:
        names = host.names(directory) or ()
        for name, entry in (host.look_within(directory, names) or {}).items():
            bundle = entry is not None and entry.nature is Nature.DIRECTORY
            if entry is None or not (bundle or name.endswith(".md")):
                continue
            messages += 1
            octets += _bundled(host, directory / name) if bundle else entry.size
            newest = max(newest, name[:10] if _DATE.match(name) else "")
    received = f", newest {newest}" if newest else ""
    plural = "" if messages == 1 else "s"
    return f"It holds {messages} message{plural}, {octets} octets{received}, unread unknown."


def _bundled(host: Reading, bundle: PurePosixPath) -> int:
    entries = host.look_within(bundle, host.names(bundle) or ()) or {}
    return sum(entry.size for entry in entries.values() if entry is not None)
