"""Who may do what: one predicate, asked before any state is looked at.

Ownership is a uid, never a name.
"""

from __future__ import annotations

from enum import Enum

from desired.frozen import frozen


class Action(Enum):
    """What a caller wants, as far as permission goes."""

    SEND_AS = "send as a mailbox"
    DOMAIN_CRUD = "change domains"
    SYSTEM = "administer this server"
    STATUS = "see the state of this server"
    QUEUE = "see what waits to be sent"
    STEER = "see and steer a message that waits"


# What anybody may ask; the answer is filtered to what is theirs.
_OPEN = frozenset({Action.STATUS, Action.QUEUE})
# What the owner of the mailbox at hand may do.
_OWNERS = frozenset({Action.SEND_AS, Action.STEER})


@frozen
class Caller:
    """The other end of a Unix socket, as the kernel tells it at accept (SO_PEERCRED)."""

    uid: int
    gid: int
    pid: int


@frozen
class Decision:
    """Whether it may be done, and why, for the log alone."""

    allowed: bool
    reason: str


def authorize(
    caller: Caller, action: Action, *, administrator: int, owner: int | None = None
) -> Decision:
    """Decide on what the kernel says about the caller.

    `administrator` is the uid that the daemon runs as: 0, or the one user of a rootless
    instance. `owner` is the uid of the mailbox at hand; None where there is no such mailbox.
    """
    if caller.uid == 0 or caller.uid == administrator:
        return Decision(allowed=True, reason="administrator")
    if action in _OPEN:
        return Decision(allowed=True, reason="open to everybody, filtered")
    if action in _OWNERS and owner is not None and owner == caller.uid:
        return Decision(allowed=True, reason="owner")
    if action in _OWNERS:
        return Decision(allowed=False, reason="no such mailbox" if owner is None else "not owner")
    return Decision(allowed=False, reason="administrators only")
