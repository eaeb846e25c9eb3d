"""What is handed to whoever delivers, and the interface of those who do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aimx.outbound.outcome import Attempt, Outcome
from desired.frozen import field, frozen


class Witness(Protocol):
    """Told of what cannot be taken back: before it happens, and as soon as it is over."""

    async def leaving(self, recipients: Sequence[str]) -> None:
        """The content goes to a host now, for these; an OSError keeps it here."""

    async def answered(self, outcomes: Mapping[str, Outcome]) -> None:
        """What the host said to it, or that it said nothing; before anybody else is tried."""


class Unwatched:
    """Nobody wants to know."""

    async def leaving(self, recipients: Sequence[str]) -> None:
        pass

    async def answered(self, outcomes: Mapping[str, Outcome]) -> None:
        pass


@frozen
class Outgoing:
    """A signed message and its envelope."""

    sender: str
    recipients: tuple[str, ...]  # Each once.
    content: bytes  # Lines end in CRLF, and nothing else holds a CR or an LF.
    message_id: str  # Without brackets.
    is_international: bool = False  # Its header needs SMTPUTF8 (RFC 6531), for everybody.
    witness: Witness = field(default_factory=Unwatched, compare=False, repr=False)


class Deliverer(Protocol):
    """Whoever takes a message further. Never raises for what a host does."""

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Try every recipient once, and tell what became of each."""

    def destination(self, recipient: str) -> str:
        """Where it is taken: what is taken to one place shares its luck."""
