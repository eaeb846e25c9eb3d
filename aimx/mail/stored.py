"""A message as it will be at rest: its file, the files beside it, and its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from aimx.mail import attachments, dates, filenames, frontmatter
from aimx.mail.attachments import Attachment
from aimx.mail.heading import Heading
from aimx.mail.reading import Reading
from aimx.snapshot import Route

Key: TypeAlias = tuple[str, str | int]  # Of the frontmatter, and its value.


class Stored(NamedTuple):
    """Finished but for its name: the file is `+++`, the line `id = "…"`, then the rest."""

    base: str  # The name, but for the number that tells it from others of the same second.
    rest: bytes
    attachments: tuple[Attachment, ...] = ()
    fingerprint: bytes | None = None  # 32 octets; equal means the same message again.


class Judged(NamedTuple):
    """What the checks found and what was decided from it, in the words that are recorded."""

    dkim: str
    spf: str
    dmarc: str
    trusted: str
    trusted_reason: str = ""


def stored(reading: Reading, route: Route, recipients: Sequence[str], judged: Judged) -> Stored:
    """For the mailbox that `route` leads to, and the recipients of the envelope that led there."""
    listed = [file for file in reading.attachments if file.name != filenames.RAW]
    return Stored(
        base=reading.base,
        rest=frontmatter.rest(
            _keys(reading, route, recipients, judged), attachments.tables(listed), reading.body
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
) -> Sequence[Key]:
    envelope = reading.incoming.envelope
    said = reading.heading
    return (
        *opening(said),
        ("delivered_to", ", ".join(recipients)),
        ("envelope_from", envelope.sender),
        ("subject", said.subject),
        ("date", said.date),
        ("received_at", dates.rfc3339(reading.incoming.received_at)),
        ("received_from_ip", envelope.client.address),
        ("size_bytes", len(reading.incoming.content)),
        *relations(said),
        ("dkim", judged.dkim),
        ("spf", judged.spf),
        ("dmarc", judged.dmarc),
        ("trusted", judged.trusted),
        ("trusted_reason", judged.trusted_reason),
        ("mailbox", route.mailbox),
        ("read", False),
    )


def opening(said: Heading) -> Sequence[Key]:
    """The first keys: what the message is called, and between whom it is."""
    return (
        ("message_id", said.message_id),
        ("thread_id", said.thread_id),
        ("from", said.author),
        ("to", said.to),
        ("cc", said.cc),
        ("reply_to", said.reply_to),
    )


def relations(said: Heading) -> Sequence[Key]:
    """What the message has to do with others."""
    return (
        ("in_reply_to", said.in_reply_to),
        ("references", said.references),
        ("list_id", said.list_id),
        ("auto_submitted", said.auto_submitted),
    )
