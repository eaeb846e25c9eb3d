"""What the `[[moved]]` and `[[removed]]` blocks of a manifest still ask for.

A block acts once. It was carried out when a complete generation has it on record; it may stand in
the manifest after that, where it asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from desired.desired import Moved, Removed
from desired.names import Address
from reconcilers.host.host import UnseenError
from reconcilers.reconciler import World
from reconcilers.roots import FOLDERS


def moving(world: World) -> Mapping[str, Address]:
    """Where each mailbox that is still to be moved comes from, by its new address."""
    return {str(moved.target): moved.source for moved in world.desired.moved if _asks(moved, world)}


def removing(world: World, address: str) -> Removed | None:
    """The block that names a mailbox that is still to go."""
    for removed in world.desired.removed:
        if str(removed.address) == address and not _was_carried_out(removed, world):
            return removed
    return None


def spent(world: World) -> Iterator[str]:
    """A sentence for each block of the manifest that asks for nothing."""
    known = world.applied.mailboxes if world.applied else {}
    for moved in world.desired.moved:
        if not moved.inverted and not _asks(moved, world):
            told = f"The [[moved]] block of mailbox/{moved.source}"
            yield f"{told} {_why_spent(_was_carried_out(moved, world))}"
    for removed in world.desired.removed:
        if str(removed.address) not in known:
            told = f"The [[removed]] block of mailbox/{removed.address}"
            yield f"{told} {_why_spent(_was_carried_out(removed, world))}"


def _why_spent(carried_out: bool) -> str:  # noqa: FBT001 - one word at each call
    if carried_out:
        return "was carried out, and can be taken out of the manifest."
    return "names a mailbox that no generation had, so there is nothing to do."


def _asks(moved: Moved, world: World) -> bool:
    source, target = str(moved.source), str(moved.target)
    after = world.desired.mailboxes
    if source in after or target not in after or _was_carried_out(moved, world):
        return False
    if world.applied is not None:
        return source in world.applied.mailboxes
    # Nobody can tell what was applied; the block says whose mail it is that stands there.
    return _has_mail(moved.source, world)


def _has_mail(address: Address, world: World) -> bool:
    domain, name = address.domain.ascii, address.folder
    try:
        return any(world.host.look(world.roots.mailbox(domain, folder, name)) for folder in FOLDERS)
    except UnseenError:
        return True  # The look that counts says why.


def _was_carried_out(block: Moved | Removed, world: World) -> bool:
    if world.applied is None or not world.complete:
        return False
    return block in world.applied.moved or block in world.applied.removed
