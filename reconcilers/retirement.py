"""How a mailbox that left the manifest goes: its mail is set aside whole, or deleted where asked.

What is to go is written down under `retiring/` before the engine config forgets the mailbox, so
that the next apply finishes what a killed one began; the record then stands in the tombstone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import PurePosixPath

from desired.frozen import frozen, replace
from desired.itself import once
from desired.names import CATCHALL_FOLDER, WILDCARD, Address, InvalidNameError
from reconcilers.blocks import removing
from reconcilers.change import Blocked
from reconcilers.host.host import Reading
from reconcilers.inscription import RECORD, Record, amount
from reconcilers.operations.files import MakeDirectory, WriteFile
from reconcilers.reconciler import World
from reconcilers.roots import FOLDERS, Roots
from reconcilers.standing import access
from reconcilers.step import Operation, Phase

UNKNOWN = "unread unknown"  # Planning opens no message.

# Names have 255 octets; what is appended to this one takes up to 50.
_ROOM, _LEFT = 200, 150
# In no domain, so that no other address has the name.
_SHORTENED = "~"
# No address has a comma: what bears this is being deleted, and is nobody's mail any more.
DELETING = ",deleting"


@frozen
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
        from reconcilers.operations.mail import SetAside  # Few mailboxes go.

        user = world.host.user()
        if not self.written:
            yield Phase.STORAGE, MakeDirectory(self.retiring, access(0o700, user))
            path, readable = self.retiring / RECORD, access(0o600, user)
            yield Phase.STORAGE, WriteFile(path, self.record.content, readable)
        yield Phase.RETIRE, SetAside(self.directories, self.retiring, self.aside)
        if self.record.delete:
            yield from _deletion(self.aside)

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
        yield f"It holds {amount(host, self.directories)}, {UNKNOWN}."
        if self.record.delete:
            yield "Its mail is deleted, and cannot be had back."
        else:
            yield f"Its mail becomes the tombstone {self.record.tombstone}; nothing is deleted."


def retirement(
    world: World, address: Address, directories: tuple[PurePosixPath, ...]
) -> Retirement:
    """What is to become of the mail, as an earlier apply wrote it down, or as it is now asked."""
    host, roots, name = world.host, world.roots, folder_name(address)
    retiring, discarded = roots.retiring / name, roots.retiring / f"{name}{DELETING}"
    there = _written(host, roots, address)
    applied = world.applied.mailboxes.get(str(address)) if world.applied else None
    if applied is not None:
        block = removing(world, str(address))
        deleting = world.purge or (block is not None and block.data == "delete")
        uid, number = _uid(host, directories), world.generation + 1
        record = Record(
            str(address), applied.owner, _free(world, name), deleting, uid=uid, generation=number
        )
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


@frozen
class Remainder:
    """What becomes of what a killed removal has taken of a mailbox that is declared again."""

    record: Record | None  # Of what becomes a tombstone, also where it was to be deleted.
    retiring: PurePosixPath
    discarded: PurePosixPath | None  # What was being deleted.

    @property
    def anything(self) -> bool:
        return self.record is not None or self.discarded is not None

    def steps(self, world: World) -> Iterator[tuple[Phase, Operation]]:
        if self.record is not None:
            from reconcilers.operations.mail import SetAside

            path, readable = self.retiring / RECORD, access(0o600, world.host.user())
            aside = world.roots.tombstones / self.record.tombstone
            yield Phase.STORAGE, WriteFile(path, self.record.content, readable)
            yield Phase.RETIRE, SetAside((), self.retiring, aside)
        if self.discarded is not None:
            yield from _deletion(self.discarded)

    def notes(self) -> Iterator[str]:
        if self.record is not None:
            stone = self.record.tombstone
            yield (
                f"A removal that was not finished took mail of it, which becomes the tombstone"
                f" {stone}: to have it again, run `aimx tombstones restore {stone}` after this"
                " apply."
            )
        if self.discarded is not None:
            yield "What an earlier removal was deleting of it goes."


def remainder(world: World, address: Address) -> Remainder:
    """Of a mailbox that is declared, as it may never have been removed."""
    host, roots, name = world.host, world.roots, folder_name(address)
    retiring, discarded = roots.retiring / name, roots.retiring / f"{name}{DELETING}"
    record = None
    if any(host.look(retiring / folder) is not None for folder in FOLDERS):
        record = _written(host, roots, address) or Record(str(address), "", _free(world, name))
    return Remainder(
        record=replace(record, delete=False) if record else None,
        retiring=retiring,
        discarded=None if host.look(discarded) is None else discarded,
    )


def _deletion(aside: PurePosixPath) -> Iterator[tuple[Phase, Operation]]:
    from reconcilers.operations.mail import RemoveTree

    if is_shortened(aside.name):  # The record says whose it is, and goes last.
        yield from ((Phase.RETIRE, RemoveTree(aside / each)) for each in FOLDERS)
    yield Phase.RETIRE, RemoveTree(aside)


@once
def under_way(world: World) -> Sequence[Address]:
    """The mailboxes whose removal was begun and not finished."""
    names = world.host.names(world.roots.retiring) or ()
    found = (
        _whose(name.removesuffix(DELETING), world.roots.retiring / name, world) for name in names
    )
    return tuple(filter(None, found))


def _whose(name: str, directory: PurePosixPath, world: World) -> Address | None:
    """Whose mail is under that name; None where it is somebody else's, or nobody can tell."""
    if is_shortened(name):
        record = Record.read(world.host.read(directory / RECORD))
        text = record.address if record else ""
    else:
        local, at, domain = name.rpartition("@")
        text = f"{WILDCARD if local == CATCHALL_FOLDER else local}{at}{domain}"
    with suppress(InvalidNameError):
        address = Address.parse(text)
        if folder_name(address) == name:
            return address
    return _shortened(world).get(name)


@once
def _shortened(world: World) -> Mapping[str, Address]:
    """The addresses that a name does not say: declared ones, and those that were."""
    known = (world.desired, world.applied) if world.applied else (world.desired,)
    addresses = (mailbox.address for desired in known for mailbox in desired.mailboxes.values())
    named = ((folder_name(address), address) for address in addresses)
    return {name: address for name, address in named if is_shortened(name)}


def _written(host: Reading, roots: Roots, address: Address) -> Record | None:
    """What an earlier apply wrote down; one that was damaged since is none."""
    name = folder_name(address)
    there = Record.read(host.read(roots.retiring / name / RECORD))
    if there is None or there.address != str(address):
        return None
    return there if re.fullmatch(rf"{re.escape(name)}\.\d+(-\d+)?", there.tombstone) else None


def folder_name(address: Address) -> str:
    """The address as a file may be called: shortened where a file system has no room for it."""
    name = f"{address.folder}@{address.domain}"
    if len(name) <= _ROOM:
        return name
    return f"{name[:_LEFT]}{_SHORTENED}{sha256(name.encode()).hexdigest()[:32]}"


def is_shortened(name: str) -> bool:
    """Whether the name of a directory does not say the whole address."""
    return _SHORTENED in name.partition("@")[2]


def _uid(host: Reading, directories: tuple[PurePosixPath, ...]) -> int:
    entries = (host.look(directory) for directory in directories)
    return next((entry.uid for entry in entries if entry is not None), -1)


def _free(world: World, name: str) -> str:
    """The tombstone's name: the address, and the generation without it."""
    names = set(world.host.names(world.roots.tombstones) or ())
    wanted = f"{name}.{world.generation + 1}"
    if wanted not in names:
        return wanted
    return next(free for n in count(2) if (free := f"{wanted}-{n}") not in names)
