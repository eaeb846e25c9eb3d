"""What is handed to whoever delivers, and the interface of those who do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aimx.outbound.outcome import Attempt


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed message and its envelope."""

    sender: str
    recipients: tuple[str, ...]  # Each once.
    content: bytes  # Lines end in CRLF, and nothing else holds a CR or an LF.
    message_id: str  # Without brackets.
    is_international: bool = False  # Needs SMTPUTF8 (RFC 6531).


class Deliverer(Protocol):
    """Whoever takes a message further. Never raises for what a host does."""

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Try every recipient once, and tell what became of each."""
