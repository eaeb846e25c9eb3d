"""A mailbox that goes and one that comes, which look like one that got another address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from desired.desired import Mailbox
from desired.names import Address
from reconcilers.change import Action, Change
from reconcilers.reconciler import World


def lookalikes(changes: Sequence[Change], world: World) -> Mapping[str, Address]:
    """Where the mail of a mailbox that goes may be meant to be, by the address of its change.

    Both have the same owner, and the same local part or the same domain; and neither has another
    such partner, since nobody can tell which of two is meant.
    """
    if world.applied is None:
        return {}
    before, after = world.applied.mailboxes, world.desired.mailboxes
    gone = [
        before[name]
        for change, name in _mailboxes(changes)
        if change.action is Action.QUARANTINE and change.unasked and name in before
    ]
    if not gone:
        return {}
    new = [
        after[name]
        for change, name in _mailboxes(changes)
        if change.action is Action.CREATE and name not in before
    ]
    here, there = _partners(gone, new), _partners(new, gone)
    return {
        f"mailbox/{source}": target
        for source, target in here.items()
        if there.get(target) == source
    }


def told(change: Change, target: Address) -> str:
    """What the change is told with: a sentence, and a block to be copied below it."""
    return (
        f"It looks like a rename to {target}, which would begin without this mail. To take the"
        " mail along, add this to the manifest:\n"
        f'[[moved]]\nfrom = "{change.address}"\nto = "mailbox/{target}"'
    )


def _mailboxes(changes: Iterable[Change]) -> Iterator[tuple[Change, str]]:
    for change in changes:
        kind, _, name = change.address.partition("/")
        if kind == "mailbox":
            yield change, name


def _partners(these: Iterable[Mailbox], those: Iterable[Mailbox]) -> dict[Address, Address]:
    """For each of these the only one of those that is like it."""
    alike: dict[tuple[str, str, str], list[Address]] = defaultdict(list)
    for mailbox in those:
        for likeness in _likenesses(mailbox):
            # Two are as many as need to be known: with ten thousand the cost would be squared.
            if len(alike[likeness]) < 2:
                alike[likeness].append(mailbox.address)
    partners = {}
    for mailbox in these:
        found = {each for likeness in _likenesses(mailbox) for each in alike.get(likeness, ())}
        if len(found) == 1:
            partners[mailbox.address] = found.pop()
    return partners


def _likenesses(mailbox: Mailbox) -> Iterator[tuple[str, str, str]]:
    domain, folder = mailbox.address.domain.ascii, mailbox.address.folder
    return iter(((mailbox.owner, "in", domain), (mailbox.owner, "called", folder)))
