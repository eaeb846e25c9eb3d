"""A message as its author hands it in: headers, Markdown, attachments; not signed, not rendered."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path


class DraftError(ValueError):
    """Something that cannot be sent, in one sentence."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What `send` takes, before it is a message."""

    author: str
    to: str
    subject: str
    body: str
    cc: str = ""
    bcc: str = ""
    in_reply_to: str = ""
    references: str = ""
    attachments: Sequence[Path] = ()


def message(draft: Draft, message_id: str, now: datetime) -> bytes:
    """The draft as RFC 5322 bytes with CRLF line ends; raises `DraftError`."""
    made = EmailMessage(policy=SMTP.clone(max_line_length=998))
    fields = [
        ("From", draft.author),
        ("To", draft.to),
        ("Cc", draft.cc),
        ("Bcc", draft.bcc),
        ("Subject", draft.subject),
        ("Date", format_datetime(now)),
        ("Message-ID", message_id),
        ("In-Reply-To", _bracketed(draft.in_reply_to)),
        ("References", draft.references or _bracketed(draft.in_reply_to)),
    ]
    for name, value in fields:
        if "\r" in value or "\n" in value:
            raise DraftError(f"Header '{name}' contains CRLF characters. Possible header injection")
        if value or name == "Subject":
            _add(made, name, value)
    made.set_content(draft.body, cte="8bit" if _fits(draft.body) else "quoted-printable")
    for path in draft.attachments:
        _attach(made, path)
    return made.as_bytes()


def _add(made: EmailMessage, name: str, value: str) -> None:
    # A bare local part means the default domain; the library would reject it as an address.
    try:
        made[name] = Address(username=value) if name == "From" and _is_bare(value) else value
    except (ValueError, IndexError) as cause:
        raise DraftError(f"{name}: {value!r} cannot be read: {cause}") from cause


def _is_bare(value: str) -> bool:
    return "@" not in value and "<" not in value and " " not in value


def _bracketed(message_id: str) -> str:
    stripped = message_id.strip()
    return stripped if not stripped or stripped.startswith("<") else f"<{stripped}>"


def _fits(body: str) -> bool:
    return all(len(line.encode()) <= 998 for line in body.splitlines())


def _attach(made: EmailMessage, path: Path) -> None:
    if not path.exists():
        raise DraftError(f"Attachment file not found: {path}")
    if not path.is_file():
        raise DraftError(f"Attachment path is not a file: {path}")
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    maintype, _, subtype = guessed.partition("/")
    content = path.read_bytes()
    made.add_attachment(content, maintype=maintype, subtype=subtype, filename=path.name)
