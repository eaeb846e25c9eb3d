"""A message as its author hands it in: headers, Markdown, attachments; not signed, not rendered."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path

from aimx.mail import filenames
from aimx.outbound import assembly
from aimx.outbound.body import Attachment
from desired.frozen import frozen

# Bytes of all attachments: base64 makes four of three, and a frame's body has 25 MiB.
MOST = 25 * 1024 * 1024 // 4 * 3


class DraftError(ValueError):
    """Something that cannot be sent, in one sentence."""


@frozen
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
    fields = [
        ("From", draft.author),
        ("To", draft.to),
        ("Cc", draft.cc),
        ("Bcc", draft.bcc),
        ("Subject", draft.subject),
        ("Date", format_datetime(now)),
        ("Message-ID", message_id),
        ("In-Reply-To", _bracketed(draft.in_reply_to)),
        ("References", _references(draft)),
    ]
    header = b"".join(_field(name, value) for name, value in fields if value or name == "Subject")
    text = draft.body.replace("\r\n", "\n").replace("\r", "\n")
    try:
        entity = assembly.entity(text, None, tuple(_attachments(draft.attachments)))
    except UnicodeEncodeError:
        raise DraftError("the body is not UTF-8") from None
    return header + entity


def _field(name: str, value: str) -> bytes:
    """The value as it was given: decoded here, an encoded word in it could end the line."""
    if "\r" in value or "\n" in value:
        raise DraftError(f"Header '{name}' contains CRLF characters. Possible header injection")
    try:
        return f"{name}: {value}\r\n".encode()
    except UnicodeEncodeError:
        raise DraftError(f"Header '{name}' is not UTF-8") from None


def _bracketed(message_id: str) -> str:
    stripped = message_id.strip()
    return stripped if not stripped or stripped.startswith("<") else f"<{stripped}>"


def _references(draft: Draft) -> str:
    """RFC 5322 3.6.4: the chain of the message that is answered, and at its end that message.

    Its ids may stand as stored mail has them, without brackets, and its own be among them.
    """
    chain = [*map(_bracketed, draft.references.split(" ")), _bracketed(draft.in_reply_to)]
    return " ".join(dict.fromkeys(filter(None, chain)))


def _attachments(paths: Sequence[Path]) -> Iterator[Attachment]:
    """Files of any size, of which no more is read than could be sent."""
    room = MOST
    for path in paths:
        attachment = _attachment(path, room)
        room -= len(attachment.content)
        yield attachment


def _attachment(path: Path, room: int) -> Attachment:
    if not path.exists():
        raise DraftError(f"Attachment file not found: {path}")
    if not path.is_file():
        raise DraftError(f"Attachment path is not a file: {path}")
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with path.open("rb") as file:
        content = file.read(room + 1)
    if len(content) > room:
        raise DraftError(f"With {path} the attachments have more than {MOST} bytes")
    return Attachment(filenames.safe(path.name), guessed, content)
