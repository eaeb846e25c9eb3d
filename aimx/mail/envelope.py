"""A message as it crossed the wire: who brought it, from whom, to whom, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from aimx.mail import header
from aimx.mail.header import Header


class Client(NamedTuple):
    """The other end of an SMTP session."""

    address: str  # IP address in text form, IPv4-mapped IPv6 reduced to IPv4.
    helo: str  # The argument of EHLO or HELO, as given.
    tls: bool = False


class Envelope(NamedTuple):
    """RFC 5321 2.3.1: what MAIL and RCPT said."""

    sender: str  # Empty for the null sender.
    recipients: tuple[str, ...]  # As given in RCPT, in order.
    client: Client


@dataclass(frozen=True)
class Incoming:
    """Envelope and content. The content has CRLF line ends only, and no dot-stuffing."""

    envelope: Envelope
    content: bytes
    received_at: datetime  # Aware, UTC.

    @cached_property
    def header(self) -> Header:
        """Read once, for all who judge and keep the message."""
        return header.read(self.content)
