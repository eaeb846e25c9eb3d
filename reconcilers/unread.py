"""How many messages of a mailbox that goes nobody has read, where somebody may be asked.

Planning opens no message. Whoever shows a plan may have them counted by a process that is the
owner's; nothing of a plan stands on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from desired.frozen import frozen, replace
from desired.names import Address
from reconcilers.change import Action, Change
from reconcilers.host.host import Nature, Reading, UnseenError
from reconcilers.plan import Plan
from reconcilers.retirement import UNKNOWN
from reconcilers.roots import Roots

# More are not looked at for one plan, and nobody reads about each of so many.
_MOST = 64


@frozen
class Inbox:
    """A mailbox to be counted in, and who owns its directory."""

    address: str  # Of the change.
    domain: str
    name: str
    uid: int
    gid: int


@frozen
class Unread:
    """What was counted."""

    messages: int
    at_least: bool = False  # Not all could be looked at in the time there was.

    def __str__(self) -> str:
        return f"{'at least ' if self.at_least else ''}{self.messages:,} unread"


def together(counted: Iterable[Unread | None]) -> Unread | None:
    """Of several mailboxes; None where one could not be looked at."""
    found = list(counted)
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    at_least = any(each.at_least for each in known)
    return Unread(sum(each.messages for each in known), at_least)


# Counts unread messages, by the changes' addresses; what could not be counted is left out.
Count: TypeAlias = Callable[[Roots, Sequence[Inbox]], Mapping[str, Unread]]


def uncounted(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    """Nobody is there to count."""
    return {}


def inboxes(plan: Plan, host: Reading, roots: Roots) -> tuple[Inbox, ...]:
    """Those that the plan takes away, as far as they are there."""
    going = [change for change in plan.changes if _says_unknown(change)][:_MOST]
    found = (_inbox(change.address, host, roots) for change in going)
    return tuple(inbox for inbox in found if inbox is not None)


def with_unread(plan: Plan, unread: Mapping[str, Unread]) -> Plan:
    """The same plan, told with what was counted."""
    if not unread:
        return plan
    return replace(
        plan, changes=tuple(_told(change, unread.get(change.address)) for change in plan.changes)
    )


def _says_unknown(change: Change) -> bool:
    goes = change.action in (Action.QUARANTINE, Action.DELETE) and change.kind == "mailbox"
    return goes and any(UNKNOWN in note for note in change.notes)


def _inbox(address: str, host: Reading, roots: Roots) -> Inbox | None:
    mailbox = Address.parse(address.partition("/")[2])
    domain, name = mailbox.domain.ascii, mailbox.folder
    try:
        entry = host.look(roots.mailbox(domain, "inbox", name))
    except UnseenError:
        return None
    if entry is None or entry.nature is not Nature.DIRECTORY:
        return None
    return Inbox(address, domain, name, entry.uid, entry.gid)


def _told(change: Change, unread: Unread | None) -> Change:
    if unread is None or not _says_unknown(change):
        return change
    first, *rest = change.notes  # The amount comes first.
    return replace(change, notes=(first.replace(UNKNOWN, str(unread)), *rest))
