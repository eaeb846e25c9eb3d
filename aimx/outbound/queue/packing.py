"""A message that was signed, as the queue takes it: with a label, and its sent copy."""

from __future__ import annotations

import secrets

from aimx.channel import trace
from aimx.channel.placing import FINGERPRINT_SIZE
from aimx.mail import mime
from aimx.mail.sent import Outgoing, finish
from aimx.outbound.queue.letters import Copy, File, Label, Parcel
from aimx.outbound.submit import Signed


def packed(signed: Signed) -> Parcel:
    """With a name and a fingerprint of its own."""
    return Parcel(_label(signed), signed.content, _copy(signed))


def _label(signed: Signed) -> Label:
    heading = signed.composed.heading
    return Label(
        id=signed.trace or trace.fresh(),  # One name, in the log and for commands.
        author=heading.author.address,
        recipients=heading.recipients,
        message_id=heading.message_id,
        subject=heading.subject,
        size=len(signed.content),
        international=heading.is_international,
        queued=signed.signed_at.timestamp(),
        origin=secrets.token_hex(FINGERPRINT_SIZE),
    )


def _copy(signed: Signed) -> Copy:
    """The sent copy, as it is while nothing was tried."""
    composed, heading = signed.composed, signed.composed.heading
    finished = finish(
        Outgoing(
            mailbox=heading.author.address,
            content=signed.content,
            source=composed.source,
            format=composed.format.value,
            recipients=tuple(box.address for box in (*heading.to, *heading.cc)),
            sent_at=signed.signed_at,
            status="pending",
            bcc=tuple(box.address for box in heading.bcc),
            files=tuple(
                mime.File(attachment.name, attachment.content_type, attachment.content)
                for attachment in composed.attachments
            ),
        )
    )
    files = tuple(File(each.name, each.content) for each in finished.attachments)
    return Copy(finished.base, finished.rest, files)
