"""What keeps a mailbox from becoming what the manifest declares."""

from __future__ import annotations

from pathlib import PurePosixPath

from desired.desired import Mailbox
from desired.names import Address
from reconcilers.blocks import moving
from reconcilers.change import Blocked
from reconcilers.host.host import Access
from reconcilers.kinds.directories import NOTHING, Directories, paths_of
from reconcilers.reconciler import World
from reconcilers.standing import Standing, foreign_nature, foreign_owner


def obstacle(mailbox: Mailbox, observed: Directories, world: World) -> Blocked | None:
    """The first that there is: without an owner, or with something else in its place."""
    return _unowned(mailbox, world) or _in_the_way(mailbox, observed, world)


def _unowned(mailbox: Mailbox, world: World) -> Blocked | None:
    account, user = world.host.account(mailbox.owner), world.host.user()
    if account is None:
        return Blocked(
            "owner-missing",
            f"there is no user {mailbox.owner} on this machine, so the mailbox stays inactive and"
            " its mail is answered with 450",
            f"create the user, for example with `useradd --create-home {mailbox.owner}`",
        )
    if user.uid in (0, account.uid):
        return None
    return Blocked(
        "owner-not-ours",
        f"{user.name} cannot make a directory that belongs to {mailbox.owner}",
        f"run aimx as root, or give the mailbox the owner {user.name}",
    )


def _in_the_way(mailbox: Mailbox, observed: Directories, world: World) -> Blocked | None:
    if observed == NOTHING:
        return None
    account = world.host.account(mailbox.owner)
    here = (observed.inbox, observed.sent)
    standing = dict(zip(paths_of(world, mailbox.address), here, strict=True))
    if observed.coming:
        source = moving(world)[str(mailbox.address)]
        for path, there, coming in zip(standing, here, observed.coming, strict=True):
            if there is not None and coming is not None:
                return _occupied(path, source)
        if unmovable := _unmovable(source, mailbox, observed.coming, world):
            return unmovable
    for path, seen in standing.items():
        blocked = foreign_nature(path, seen) or (account and foreign_owner(path, seen, account))
        if blocked:
            return blocked
    return None


def _occupied(path: PurePosixPath, source: Address) -> Blocked:
    return Blocked(
        "move-target-exists",
        f"{path} is there already, and the mail of {source} is to come there",
        f"look at what is in {path}, move it away, then apply again; or take the [[moved]] block of"
        f" {source} out, and its mail is set aside instead",
    )


def _unmovable(
    source: Address, mailbox: Mailbox, coming: tuple[Standing, ...], world: World
) -> Blocked | None:
    """Why the mail of another address cannot become this mailbox's by a rename."""
    account = world.host.account(mailbox.owner)
    for path, seen in zip(paths_of(world, source), coming, strict=True):
        if isinstance(seen, Access) and account and seen.uid != account.uid:
            return Blocked(
                "move-foreign-owner",
                f"{path} belongs to uid {seen.uid}, and {mailbox.address} to {mailbox.owner}: a"
                " move gives nobody another's mail",
                f"declare {mailbox.address} with the owner that {source} has; if {mailbox.owner} is"
                f" to have the mail, give it with `chown -R {mailbox.owner} {path}` first",
            )
        blocked = foreign_nature(path, seen)
        if blocked:
            return blocked
        data = world.host.look(world.roots.data)
        entry = world.host.look(path)
        if data is not None and entry is not None and entry.device != data.device:
            return Blocked(
                "move-other-file-system",
                f"{path} is on another file system than {world.roots.data}, and aimx never copies"
                " mail",
                f"bring both on one file system, or take the [[moved]] block of {source} out and"
                " move the mail by hand while the daemon is stopped",
            )
    return None
