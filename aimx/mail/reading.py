"""A message that came in, read once for all the mailboxes that it goes to."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from aimx.mail import attachments, filenames, mime, stem
from aimx.mail.attachments import Attachment
from aimx.mail.envelope import Incoming
from aimx.mail.heading import Heading, heading


class Reading(NamedTuple):
    """What is the same in every mailbox that the message goes to."""

    incoming: Incoming
    heading: Heading
    base: str
    body: bytes
    attachments: tuple[Attachment, ...]
    digest: bytes  # SHA-256 of the content as received.


def read(incoming: Incoming, *, keep_raw: bool = False) -> Reading:
    """With `keep_raw` the message as it came is one of the files, and not in the frontmatter."""
    content = incoming.content
    fields = incoming.header
    digest = sha256(content).digest()
    said = heading(fields, incoming.received_at, digest)
    document = mime.document(content, fields)
    room = attachments.MOST - keep_raw
    raw = (Attachment(filenames.RAW, "message/rfc822", content),) if keep_raw else ()
    return Reading(
        incoming=incoming,
        heading=said,
        base=stem.base(said.subject, incoming.received_at),
        body=attachments.body(document, room=room),
        attachments=attachments.attachments(document, room=room) + raw,
        digest=digest,
    )
