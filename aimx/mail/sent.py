"""Mail that went out -> the copy that its sender keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

from aimx.mail import attachments, dates, frontmatter, header, mime, stem
from aimx.mail.heading import Heading, heading
from aimx.mail.mime import Document, File
from aimx.mail.stored import Key, Stored, opening, relations
from desired.frozen import frozen

Format = Literal["markdown", "text", "html"]
Status = Literal["pending", "delivered", "deferred", "failed", "unknown"]


@frozen
class Outgoing:
    """A message that was handed in, and what has become of it."""

    mailbox: str  # The sender's.
    content: bytes  # As it left, signed.
    source: str  # The body as it was handed in.
    format: Format
    recipients: tuple[str, ...]  # Those of To and Cc.
    sent_at: datetime
    status: Status
    bcc: tuple[str, ...] = ()
    delivered_at: datetime | None = None
    details: str = ""  # What became of each recipient, if there is more to say than the status.
    files: tuple[File, ...] = ()
    dkim: str = "pass"  # "none" where nothing signed it.


def finish(outgoing: Outgoing) -> Stored:
    digest = sha256(outgoing.content).digest()
    said = heading(header.read(outgoing.content), outgoing.sent_at, digest)
    document = Document(mime.tidy(outgoing.source), outgoing.files)
    files = attachments.attachments(document)
    return Stored(
        base=stem.base(said.subject, outgoing.sent_at),
        rest=frontmatter.rest(
            _keys(outgoing, said), attachments.tables(files), attachments.body(document)
        ),
        attachments=files,
    )


def _keys(outgoing: Outgoing, said: Heading) -> Sequence[Key]:
    delivered_at = outgoing.delivered_at
    return (
        *opening(said),
        ("delivered_to", ", ".join(outgoing.recipients)),
        ("envelope_from", outgoing.mailbox),
        ("subject", said.subject),
        ("date", said.date),
        ("size_bytes", len(outgoing.content)),
        *relations(said),
        ("dkim", outgoing.dkim),
        # What receivers find is theirs to say.
        *(("spf", "none"), ("dmarc", "none"), ("trusted", "none")),
        ("mailbox", outgoing.mailbox),
        ("read", False),
        ("outbound", True),
        ("outbound_format", outgoing.format),
        ("delivery_status", outgoing.status),
        ("bcc", ", ".join(outgoing.bcc)),
        ("delivered_at", dates.rfc3339(delivered_at) if delivered_at else ""),
        ("delivery_details", outgoing.details),
    )
