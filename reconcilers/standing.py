"""What stands at a path, as far as it can also be desired: who may do what there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeAlias

from reconcilers.change import Blocked, Field
from reconcilers.host.host import Access, Account, Entry, Nature

# Its access where it is of the nature that was looked for; else that nature; None: nothing.
Standing: TypeAlias = Access | Nature | None

_NOUNS = {
    Nature.FILE: "a file",
    Nature.DIRECTORY: "a directory",
    Nature.SYMLINK: "a symbolic link",
    Nature.OTHER: "neither file nor directory",
}

# Equal standings of ten thousand mailboxes are one object, and compared at a glance.
_access = lru_cache(maxsize=1 << 16)(Access)


def access(mode: int, account: Account) -> Access:
    return _access(mode, account.uid, account.gid)


def directory(entry: Entry | None) -> Standing:
    """How a path stands that should be a directory."""
    return _standing(entry, Nature.DIRECTORY)


def file(entry: Entry | None) -> Standing:
    """How a path stands that should be a regular file."""
    return _standing(entry, Nature.FILE)


def _standing(entry: Entry | None, nature: Nature) -> Standing:
    if entry is None:
        return None
    if entry.nature is not nature:
        return entry.nature
    return _access(entry.mode, entry.uid, entry.gid)


def foreign_nature(
    path: PurePosixPath, standing: Standing, wanted: Nature = Nature.DIRECTORY
) -> Blocked | None:
    """Something of another nature is in the way; nobody knows whose it is, so it stays."""
    if not isinstance(standing, Nature):
        return None
    return Blocked(
        f"{standing}-in-the-way",
        f"{path} is {_NOUNS[standing]} where {_NOUNS[wanted]} belongs",
        f"move {path} away, then apply again",
    )


def foreign_owner(path: PurePosixPath, standing: Standing, owner: Account) -> Blocked | None:
    """A directory of somebody else's: taking it over could give away what is in it."""
    if not isinstance(standing, Access) or standing.uid == owner.uid:
        return None
    return Blocked(
        "foreign-owner",
        f"{path} belongs to uid {standing.uid}, not to {owner.name}",
        f"look at what is in {path}, then move it away, or give it to {owner.name} with chown",
    )


def fields(name: str, before: Standing, after: Standing) -> tuple[Field, ...]:
    """What of it differs, as text."""
    if before == after:
        return ()
    if not isinstance(before, Access) or not isinstance(after, Access):
        return (Field(name, _text(before), _text(after)),)
    parts = (
        ("mode", f"{before.mode:04o}", f"{after.mode:04o}"),
        ("uid", str(before.uid), str(after.uid)),
        ("gid", str(before.gid), str(after.gid)),
    )
    return tuple(Field(f"{name} {part}", old, new) for part, old, new in parts if old != new)


def _text(standing: Standing) -> str:
    if isinstance(standing, Access):
        return f"{standing.mode:04o} {standing.uid}:{standing.gid}"
    return "" if standing is None else str(standing)
