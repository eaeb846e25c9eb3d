"""The outbound side as the socket sees it: what it is asked for, and what it answers."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from aimx.doors.socket.frames import Code
from desired.frozen import frozen


@frozen
class Submitted:
    """A message that somebody on this machine wants sent; `content` is a descriptor."""

    content: int
    content_length: int
    html_length: int
    text_only: bool
    uid: int  # Of the caller.
    idempotency_key: str  # Empty: none.


@frozen
class Accepted:
    """The message is delivered, or in the queue."""

    message_id: str  # In angle brackets.
    queued: str = ""  # Its name in the queue; empty: everybody's host has it.

    def document(self) -> dict[str, str]:
        return {
            "format": "aimx.sent",
            "format_version": "1.0",
            "state": "queued" if self.queued else "delivered",
            "message_id": self.message_id.removeprefix("<").removesuffix(">"),
            "id": self.queued,
        }


@frozen
class Steering:
    """What is wanted of the queue, or of one message in it."""

    does: Literal["list", "show", "hold", "release", "retry", "cancel"]
    name: str  # Of the message; empty: all of the caller's.
    uid: int | None  # Of the caller; None: an administrator, whose everybody's are.
    seconds: int = 0  # For which it is to be held; 0: until it is released.


@frozen
class Steered:
    """It was done; what there is to tell."""

    document: Any


@frozen
class Declined:
    """The message is not sent, and the code that says whose fault it is."""

    code: Code
    reason: str


class Permission(Protocol):
    """Asked by the outbound side once it has read the author."""

    def __call__(self, owner: int | None) -> bool:
        """Whether the caller may send as a mailbox of this owner; None: there is none."""


class OutboundSide(Protocol):
    """The outbound side, as the doors see it."""

    async def submit(self, submitted: Submitted, permission: Permission) -> Accepted | Declined:
        """Send a message if its author's mailbox may be used."""

    async def steer(self, steering: Steering, permission: Permission) -> Steered | Declined:
        """Do it, if the mailbox that a named message is from is the caller's."""
