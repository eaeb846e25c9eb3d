"""What is placed, and where."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

OWNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
BASE = "2026-01-02-030405-hello"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLACING, SPOOL, INBOX = "data/.aimx/placing", "data/.aimx/spool", "data/a.example/inbox/info"


@dataclass(frozen=True)
class Message:
    """What is placed, by a name that stands in its text."""

    name: str
    apart: bool = False  # Its text comes as a descriptor.
    attachments: tuple[str, ...] = ()
    hook: str = ""

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.name.encode()).digest()

    @property
    def rest(self) -> bytes:
        return f'name = "{self.name}"\n+++\n\nHello.\n'.encode()

    def content(self, attachment: str) -> bytes:
        return f"{attachment} of {self.name}".encode() * 100


MESSAGES = {
    message.name: message
    for message in (
        Message("flat", hook="tell"),
        Message("bundle", attachments=("a.txt", "b.txt"), hook="tell"),
        Message("apart", apart=True),
        Message("late"),
    )
}
