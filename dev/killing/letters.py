"""What is sent: of every form that the placer knows, and how it must be at rest."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

MAILBOXES = ("one", "two", "three")
HOOKED = "hooked"  # Each message to it fires a hook.
DOMAIN = "example.com"
SENDER = "sender@example.org"

_LINE = "A line of text that is read by nobody.\r\n"
_SMALL, _APART, _SPOOLED = 1_000, 200_000, 1_500_000  # Octets: in a packet; beside it; on disk.
_CUT = "a-line-that-cuts"


@dataclass(frozen=True)
class Letter:
    """One message; the number is in its Message-ID, and its subject is everybody's."""

    number: int
    mailboxes: tuple[str, ...]
    size: int  # Of the text, in octets.
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def message_id(self) -> str:
        return f"{self.number}@example.org"

    @property
    def text(self) -> str:
        return f"Number {self.number}.\r\n{_LINE * (self.size // len(_LINE))}The end.\r\n"

    @property
    def recipients(self) -> list[str]:
        return [f"{name}@{DOMAIN}" for name in self.mailboxes]

    @property
    def content(self) -> bytes:
        head = (
            f"From: {SENDER}\r\nTo: {', '.join(self.recipients)}\r\nSubject: As all others\r\n"
            f"Message-ID: <{self.message_id}>\r\n"
        )
        if not self.attachments:
            return f"{head}\r\n{self.text}".encode()
        parts = [f"\r\n{self.text}", *(_part(*each) for each in self.attachments.items())]
        body = "".join(f"--{_CUT}\r\n{part}\r\n" for part in parts)
        kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{_CUT}"\r\n'
        return f"{head}{kind}\r\n{body}--{_CUT}--\r\n".encode()


def _part(name: str, content: bytes) -> str:
    lines = b64encode(content).decode()
    folded = "\r\n".join(lines[place : place + 76] for place in range(0, len(lines), 76))
    return (
        f"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\n{folded}'
    )


def letter(number: int, chance: Random) -> Letter:
    """One of every form, the small ones most of the time."""
    one, several = (chance.choice(MAILBOXES),), MAILBOXES[: chance.choice((2, 3))]
    match chance.choices(
        ("flat", "several", "hooked", "bundle", "bundles", "apart", "spooled"),
        (6, 3, 1, 3, 1, 1, 0.3),
    ):
        case ["flat"]:
            return Letter(number, one, _SMALL)
        case ["several"]:
            return Letter(number, several, _SMALL)
        case ["hooked"]:
            return Letter(number, (HOOKED,), _SMALL)
        case ["bundle"]:
            return Letter(number, one, _SMALL, _files(chance))
        case ["bundles"]:
            return Letter(number, (*several, HOOKED), _SMALL, _files(chance))
        case ["apart"]:
            return Letter(number, several, _APART)
        case _:
            return Letter(number, one, _APART, _files(chance, _SPOOLED))


def _files(chance: Random, size: int = 5_000) -> dict[str, bytes]:
    return {f"file-{n}.bin": chance.randbytes(size) for n in range(chance.choice((1, 3)))}
