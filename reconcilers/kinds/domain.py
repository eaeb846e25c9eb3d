"""The mail tree of a domain, which everybody may traverse and nobody but us may change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from desired.frozen import frozen
from desired.itself import once
from desired.names import Domain, InvalidNameError
from reconcilers.change import Action, Blocked, Change
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.host.host import Access, Entry
from reconcilers.operations.files import MakeDirectory, RemoveFile, WriteFile
from reconcilers.reconciler import Keys, World
from reconcilers.roots import FOLDERS
from reconcilers.standing import (
    Standing,
    access,
    directory,
    fields,
    foreign_nature,
    foreign_owner,
)
from reconcilers.step import Operation, Phase

_LEFT = "it left the manifest"


@frozen
class MailTree:
    """A domain's directories."""

    domain: Standing
    inbox: Standing
    sent: Standing
    here: bool  # On the file system of the data directory, so that a rename reaches it.


class DomainReconciler:
    """A domain that left the manifest is forgotten: its tree goes, but for what is in it.

    That it goes is written down under `retiring/` before the engine config forgets the domain, so
    that the next apply finishes what a killed one began.
    """

    kind: str = "domain"
    activates: bool = False

    def desired(self, world: World) -> Mapping[str, MailTree]:
        traversable = access(0o755, world.host.user())
        tree = MailTree(traversable, traversable, traversable, here=True)
        return {domain.name.ascii: tree for domain in world.desired.domains}

    def observe(self, world: World) -> Mapping[str, MailTree]:
        wanted = {domain.name.ascii: domain for domain in world.desired.domains}
        applied = (
            {domain.name.ascii for domain in world.applied.domains} if world.applied else set()
        )
        looked_at = world.within(self.kind, wanted)
        gone = applied | set(_under_way(world))
        names = sorted(looked_at.keys() | (gone - wanted.keys()))
        entries = world.host.look_within(world.roots.data, names) or {}
        data = world.host.look(world.roots.data)
        seen = {name: _observed(world, name, entries.get(name), data) for name in names}
        # A removed domain of which nothing is left is still one that the engine must forget.
        return {name: tree for name, tree in seen.items() if tree.domain or name not in wanted}

    def change(self, difference: Difference[MailTree], world: World) -> Change | None:
        name = difference.name
        address = f"domain/{name}"
        match difference:
            case Missing():
                drifted = world.left is not None and world.left.domain(name) is not None
                why = "it is gone since the last apply" if drifted else "the manifest declares it"
                return Change(address, Action.CREATE, why, needs=("layout",), drifted=drifted)
            case Changed(_, desired, observed):
                return Change(
                    address,
                    Action.REPAIR,
                    "its directories are not as mail needs them",
                    fields=(
                        *fields("directory", observed.domain, desired.domain),
                        *fields("inbox", observed.inbox, desired.inbox),
                        *fields("sent", observed.sent, desired.sent),
                    ),
                    blocked=_obstacle(world, name, observed),
                    needs=("layout",),
                    drifted=True,
                )
            case Surplus():
                begun = world.applied is None or world.applied.domain(name) is None
                why = "its removal was begun and is not finished" if begun else _LEFT
                kept = f"{world.roots.domain(name)} goes; what is no mailbox's stays in it."
                return Change(address, Action.FORGET, why, notes=(kept,))

    def asked_by(self, name: str, world: World) -> Keys:
        return world.keys_of_domain(name)

    def steps(
        self, difference: Difference[MailTree], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        match difference:
            case Missing():
                observed = MailTree(None, None, None, here=True)
            case Changed(_, _, observed):
                pass
            case Surplus():
                yield from _retirement(difference.name, world)
                return
        wanted = access(0o755, world.host.user())
        for path, standing in _paths(world, difference.name, observed):
            if standing != wanted:
                yield Phase.STORAGE, MakeDirectory(path, wanted)


def tree(world: World, domain: str) -> Mapping[str, Entry | None]:
    """What stands in the places of a domain's folders; nothing where it has no directory."""
    known = _trees(world)
    if domain not in known:
        known[domain] = world.host.look_within(world.roots.domain(domain), FOLDERS) or {}
    return known[domain]


@once
def _trees(world: World) -> dict[str, Mapping[str, Entry | None]]:
    """What was seen of them: domains and mailboxes ask one after the other."""
    return {}


def _under_way(world: World) -> Iterator[str]:
    """The domains whose removal was begun and not finished: mailboxes have an `@`."""
    for name in world.host.names(world.roots.retiring) or ():
        with suppress(InvalidNameError):  # What somebody else put there is theirs.
            yield Domain.parse(name).ascii


def _retirement(name: str, world: World) -> Iterator[tuple[Phase, Operation]]:
    """After the mail of its mailboxes is set aside, which empties the tree."""
    from reconcilers.removing import Prune  # Domains rarely leave.

    user, begun = world.host.user(), world.roots.retiring / name
    yield Phase.STORAGE, MakeDirectory(world.roots.retiring, access(0o700, user))
    yield Phase.STORAGE, WriteFile(begun, b"", access(0o600, user))
    yield Phase.MARKER, Prune(world.roots.domain(name))
    yield Phase.MARKER, RemoveFile(begun)


def _observed(world: World, name: str, entry: Entry | None, data: Entry | None) -> MailTree:
    standing = directory(entry)
    if not isinstance(standing, Access) or entry is None:
        return MailTree(standing, None, None, here=True)
    folders = tree(world, name)
    inbox, sent = (directory(folders.get(folder)) for folder in FOLDERS)
    return MailTree(standing, inbox, sent, here=data is None or entry.device == data.device)


def _paths(world: World, name: str, tree: MailTree) -> Iterator[tuple[PurePosixPath, Standing]]:
    yield world.roots.domain(name), tree.domain
    for folder, standing in zip(FOLDERS, (tree.inbox, tree.sent), strict=True):
        yield world.roots.folder(name, folder), standing


def _obstacle(world: World, name: str, observed: MailTree) -> Blocked | None:
    for path, standing in _paths(world, name, observed):
        blocked = foreign_nature(path, standing) or foreign_owner(path, standing, world.host.user())
        if blocked:
            return blocked
    if observed.here:
        return None
    return Blocked(
        "other-file-system",
        f"{world.roots.domain(name)} is on another file system than {world.roots.data}",
        f"unmount it and mount the file system over {world.roots.data} instead: mail is placed"
        " and set aside by renaming",
    )
