"""A mailbox: its two directories, which belong to its owner alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from desired.desired import Mailbox
from desired.frozen import replace
from desired.itself import once
from desired.names import Address
from reconcilers.blocks import moving, removing
from reconcilers.change import Action, Change, Field
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.fingerprint import fingerprint
from reconcilers.kinds.directories import NOTHING, Directories, access_of, look, paths_of
from reconcilers.kinds.obstacles import obstacle
from reconcilers.operations.files import MakeDirectories, SetAccess
from reconcilers.reconciler import Keys, World
from reconcilers.retirement import (
    DELETING,
    Retirement,
    folder_name,
    remainder,
    retirement,
    under_way,
)
from reconcilers.standing import fields, foreign_nature
from reconcilers.step import Operation, Phase


class MailboxReconciler:
    """Mail is never touched: directories are made, renamed and set aside."""

    kind: str = "mailbox"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, Directories]:
        mailboxes = world.desired.mailboxes
        owners = {mailbox.owner for mailbox in mailboxes.values()}
        accesses = {owner: access_of(world, owner) for owner in owners}
        owned = {owner: Directories(wanted, wanted) for owner, wanted in accesses.items()}
        return {address: owned[mailbox.owner] for address, mailbox in mailboxes.items()}

    def observe(self, world: World) -> Mapping[str, Directories]:
        desired, arriving = world.desired.mailboxes, moving(world)
        looked_at = world.within(self.kind, desired)
        addresses = {address: mailbox.address for address, mailbox in looked_at.items()}
        seen = look({**addresses, **_gone(world)}, world)
        for target, source in arriving.items():
            left = seen.pop(str(source), None) or look({str(source): source}, world)[str(source)]
            if left != NOTHING:
                seen[target] = seen[target]._replace(coming=left[:2])
        for address in under_way(world):
            name = str(address)
            if name in looked_at and remainder(world, address).anything:
                seen[name] = seen[name]._replace(half_gone=True)
        return {
            address: directories
            for address, directories in seen.items()
            if directories != NOTHING or address not in desired
        }

    def change(self, difference: Difference[Directories], world: World) -> Change | None:
        match difference:
            case Missing():
                return _new(difference, world)
            case Changed(name, desired, observed):
                return _declared(name, desired, observed, world)
            case Surplus(name, observed):
                return _retired(name, observed, world)

    def asked_by(self, name: str, world: World) -> Keys:
        return ("mailboxes", name)

    def steps(
        self, difference: Difference[Directories], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        match difference:
            case Missing(name):
                return _made(world.desired.mailboxes[name], world)
            case Changed(name, _, observed):
                return _corrected(world.desired.mailboxes[name], observed, world)
            case Surplus(name, observed):
                return _retirement(name, observed, world).steps(world)


def _gone(world: World) -> Mapping[str, Address]:
    """What a generation knew and the manifest does not: to be retired, or to be moved."""
    desired = world.desired.mailboxes
    before = world.applied.mailboxes if world.applied else {}
    gone = {text: before[text].address for text in before.keys() - desired.keys()}
    begun = {str(address): address for address in under_way(world)}
    return gone | {text: address for text, address in begun.items() if text not in desired}


def _new(difference: Missing[Directories], world: World) -> Change:
    """What becomes of one that has no directories: for all of an owner in a domain the same."""
    name, left = difference.name, world.left
    mailbox = world.desired.mailboxes[name]
    if _mail_set_aside(mailbox, world):
        return _declared(name, difference.desired, NOTHING, world)
    known_before = left is not None and name in left.mailboxes
    likeness = (mailbox.owner, mailbox.address.domain.ascii, known_before)
    alike = _alike(world)
    if likeness not in alike:
        first = _declared(name, difference.desired, NOTHING, world)
        alike[likeness] = replace(first, fingerprint=fingerprint(difference))
    return replace(alike[likeness], address=f"mailbox/{name}")


@once
def _alike(world: World) -> dict[tuple[str, str, bool], Change]:
    """By what decides it, what becomes of mailboxes that are new, with the address of the first."""
    return {}


def _declared(name: str, desired: Directories, observed: Directories, world: World) -> Change:
    """What becomes of a mailbox that the manifest declares."""
    mailbox = world.desired.mailboxes[name]
    if observed.coming:
        source = str(moving(world)[name])
        action, why = Action.MOVE, f"the manifest moves {source} here"
        told: tuple[Field, ...] = (Field("address", source, name),)
    elif observed.inbox is None and observed.sent is None:
        action, why = Action.CREATE, "the manifest declares it"
        told = _belonging(mailbox.owner)
    elif observed[:2] == desired[:2]:
        action, why, told = Action.REPAIR, "its removal was begun and is not finished", ()
    else:
        action, why = Action.REPAIR, "its directories are not as the manifest asks"
        told = (
            *fields("inbox", observed.inbox, desired.inbox),
            *fields("sent", observed.sent, desired.sent),
        )
    blocked = obstacle(mailbox, observed, world)
    left = world.left
    drifted = blocked is None and left is not None and name in left.mailboxes
    if drifted and action is Action.CREATE:
        why = "it is gone since the last apply"
    return Change(
        f"mailbox/{name}",
        action,
        why,
        fields=() if blocked else told,
        blocked=blocked,
        notes=tuple(_earlier_mail(mailbox, observed, world, action)),
        needs=_needing(mailbox.address.domain.ascii),
        drifted=drifted,
    )


@lru_cache(maxsize=1 << 12)
def _needing(domain: str) -> tuple[str, ...]:
    return (f"domain/{domain}",)


@lru_cache
def _belonging(owner: str) -> tuple[Field, ...]:
    return (Field("owner", "", owner),)


def _earlier_mail(
    mailbox: Mailbox, observed: Directories, world: World, action: Action
) -> Iterator[str]:
    """Mail that an earlier mailbox of this address left is offered, never attached by itself."""
    if observed.half_gone:
        yield from remainder(world, mailbox.address).notes()
    if action is not Action.CREATE:
        return
    for tombstone in _mail_set_aside(mailbox, world):
        yield (
            "An earlier mailbox of this address left its mail, which stays set aside: to have"
            f" it again, run `aimx tombstones restore {tombstone}` after this apply."
        )


def _mail_set_aside(mailbox: Mailbox, world: World) -> Sequence[str]:
    """The tombstones of earlier mailboxes of its address."""
    set_aside = _set_aside(world)
    return set_aside.get(folder_name(mailbox.address), ()) if set_aside else ()


@once
def _set_aside(world: World) -> Mapping[str, Sequence[str]]:
    """The whole tombstones, by the name that they have of their mailbox."""
    found: dict[str, list[str]] = defaultdict(list)
    for tombstone in world.host.names(world.roots.tombstones) or ():
        if not tombstone.endswith(DELETING):
            found[tombstone.rpartition(".")[0]].append(tombstone)
    return found


def _made(mailbox: Mailbox, world: World) -> Iterable[tuple[Phase, Operation]]:
    folders = world.roots.folders(mailbox.address.domain.ascii)
    wanted = access_of(world, mailbox.owner)
    return ((Phase.STORAGE, MakeDirectories(folders, mailbox.address.folder, wanted)),)


def _corrected(
    mailbox: Mailbox, observed: Directories, world: World
) -> Iterator[tuple[Phase, Operation]]:
    wanted = access_of(world, mailbox.owner)
    if observed.half_gone:
        yield from remainder(world, mailbox.address).steps(world)
    sources: Iterable[PurePosixPath | None] = (None, None)
    if observed.coming:
        source = moving(world)[str(mailbox.address)]
        coming = zip(paths_of(world, source), observed.coming, strict=True)
        sources = [path if seen is not None else None for path, seen in coming]
    here = (observed.inbox, observed.sent)
    for path, seen, origin in zip(paths_of(world, mailbox.address), here, sources, strict=True):
        if origin is not None:
            from reconcilers.operations.mail import Move  # Few mailboxes are on their way.

            yield Phase.STORAGE, SetAccess(origin, wanted)
            yield Phase.RELOCATE, Move(origin, path)
        elif seen is None:
            yield Phase.STORAGE, MakeDirectories((path.parent,), path.name, wanted)
        elif seen != wanted:
            yield Phase.STORAGE, SetAccess(path, wanted)


def _retirement(name: str, observed: Directories, world: World) -> Retirement:
    address = Address.parse(name)
    paths = zip(paths_of(world, address), (observed.inbox, observed.sent), strict=True)
    return retirement(world, address, tuple(path for path, seen in paths if seen is not None))


def _retired(name: str, observed: Directories, world: World) -> Change:
    """What becomes of a mailbox that the manifest does not declare any more."""
    address, retiring = f"mailbox/{name}", _retirement(name, observed, world)
    if not retiring.anything:
        return Change(address, Action.FORGET, "it left the manifest, and has no mail here")
    begun = world.applied is None or name not in world.applied.mailboxes
    named = removing(world, name) is not None
    if begun:
        why = "its removal was begun and is not finished"
    else:
        why = "a [[removed]] block names it" if named else "it left the manifest"
    standing = zip(
        paths_of(world, Address.parse(name)), (observed.inbox, observed.sent), strict=True
    )
    obstacles = [foreign_nature(path, seen) for path, seen in standing]
    return Change(
        address,
        Action.DELETE if retiring.record.delete else Action.QUARANTINE,
        why,
        blocked=next(filter(None, obstacles), retiring.obstacle(world.host)),
        notes=tuple(retiring.notes(world.host)),
        # What an apply has written down it was allowed to do, and so is the one that finishes it.
        unasked=not (begun or named or retiring.written),
    )
