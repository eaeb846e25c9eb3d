"""Mail that came in -> stored mail: read once a message, finished once a mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from aimx.mail import dates, filenames, frontmatter, header, mime, stem, stored
from aimx.mail.envelope import Incoming
from aimx.mail.heading import Heading, heading
from aimx.mail.stored import Attachment, Stored
from aimx.snapshot import Route


@dataclass(frozen=True, slots=True)
class Judged:
    """What the checks found and what was decided from it, in the words that are recorded."""

    dkim: str
    spf: str
    dmarc: str
    trusted: str
    trusted_reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
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
    fields = header.read(content)
    digest = sha256(content).digest()
    said = heading(fields, incoming.received_at, digest)
    document = mime.document(content, fields)
    room = stored.ATTACHMENTS - keep_raw
    raw = (Attachment(filenames.RAW, "message/rfc822", content),) if keep_raw else ()
    return Reading(
        incoming=incoming,
        heading=said,
        base=stem.base(said.subject, incoming.received_at),
        body=stored.body(document, room=room),
        attachments=stored.attachments(document, room=room) + raw,
        digest=digest,
    )


def finish(reading: Reading, route: Route, recipients: Sequence[str], judged: Judged) -> Stored:
    """For the mailbox that `route` leads to, and the recipients of the envelope that led there."""
    listed = [file for file in reading.attachments if file.name != filenames.RAW]
    return Stored(
        base=reading.base,
        rest=frontmatter.rest(
            _keys(reading, route, recipients, judged), stored.tables(listed), reading.body
        ),
        attachments=reading.attachments,
        fingerprint=fingerprint(reading, route.mailbox),
    )


def fingerprint(reading: Reading, mailbox: str) -> bytes:
    """The same content from the same sender, under the same id, into the same mailbox."""
    envelope = reading.incoming.envelope
    # None of the three can hold a NUL.
    key = "\0".join((mailbox, reading.heading.message_id, envelope.sender, ""))
    return sha256(key.encode("utf-8", "surrogateescape") + reading.digest).digest()


def _keys(
    reading: Reading, route: Route, recipients: Iterable[str], judged: Judged
) -> Iterator[tuple[str, str | int]]:
    envelope = reading.incoming.envelope
    said = reading.heading
    yield "message_id", said.message_id
    yield "thread_id", said.thread_id
    yield "from", said.author
    yield "to", said.to
    yield from present(("cc", said.cc), ("reply_to", said.reply_to))
    yield "delivered_to", ", ".join(recipients)
    yield "envelope_from", envelope.sender
    yield "subject", said.subject
    yield "date", said.date
    yield "received_at", dates.rfc3339(reading.incoming.received_at)
    yield from present(("received_from_ip", envelope.client.address))
    yield "size_bytes", len(reading.incoming.content)
    yield from present(
        ("in_reply_to", said.in_reply_to),
        ("references", said.references),
        ("list_id", said.list_id),
        ("auto_submitted", said.auto_submitted),
    )
    yield "dkim", judged.dkim
    yield "spf", judged.spf
    yield "dmarc", judged.dmarc
    yield "trusted", judged.trusted
    yield from present(("trusted_reason", judged.trusted_reason))
    yield "mailbox", route.mailbox
    yield "read", False


def present(*keys: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Those that have something to say."""
    return (key for key in keys if key[1])
