"""How the two directories of mailboxes stand, and how they are to.

Ten thousand mailboxes are looked at in a tenth of a second, so what is desired and observed of one
is a bare tuple, whose parts are the same objects where they are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from desired.names import Address
from reconcilers.host.host import Access, Entry
from reconcilers.kinds.domain import tree
from reconcilers.reconciler import World
from reconcilers.roots import FOLDERS
from reconcilers.standing import Standing, access, directory

# What nothing observed equals: there is no such user.
_OWNERLESS = Access(0o700, -1, -1)


class Directories(NamedTuple):
    """How the directories of a mailbox stand."""

    inbox: Standing = None
    sent: Standing = None
    coming: tuple[Standing, ...] = ()  # Those of the mailbox that is to be moved here, if any.
    half_gone: bool = False  # A removal that was killed has taken some of it, or all.


NOTHING = Directories()


def access_of(world: World, owner: str) -> Access:
    """How a directory of that user's is to stand."""
    account = world.host.account(owner)
    return _OWNERLESS if account is None else access(0o700, account)


def paths_of(world: World, address: Address) -> tuple[PurePosixPath, ...]:
    """Where they stand, in the order of `FOLDERS`."""
    domain, name = address.domain.ascii, address.folder
    return tuple(world.roots.mailbox(domain, folder, name) for folder in FOLDERS)


def look(addresses: Mapping[str, Address], world: World) -> dict[str, Directories]:
    """How the directories of all of them stand: one look for each folder of a domain."""
    by_domain: dict[str, dict[str, str]] = defaultdict(dict)
    for text, address in addresses.items():
        by_domain[address.domain.ascii][text] = address.folder
    seen: dict[str, Directories] = {}
    # Something else in the place of a directory is told as the domain's, and never entered.
    there = _directories(world, world.roots.data, sorted(by_domain))
    for domain in sorted(by_domain):
        names = by_domain[domain]
        folders = _are_directories(tree(world, domain)) if domain in there else ()
        looks = (
            world.host.look_within(path, names.values()) if path.name in folders else None
            for path in world.roots.folders(domain)
        )
        inbox, sent = (look or {} for look in looks)
        for text, name in names.items():
            in_inbox, in_sent = inbox.get(name), sent.get(name)
            is_there = in_inbox is not None or in_sent is not None
            seen[text] = (
                Directories(directory(in_inbox), directory(in_sent)) if is_there else NOTHING
            )
    return seen


def _directories(world: World, parent: PurePosixPath, names: Iterable[str]) -> Container[str]:
    """Which of the names stand for a directory."""
    return _are_directories(world.host.look_within(parent, names) or {})


def _are_directories(entries: Mapping[str, Entry | None]) -> Container[str]:
    return {name for name, entry in entries.items() if isinstance(directory(entry), Access)}
