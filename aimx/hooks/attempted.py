"""What an attempt to deliver sets off in its author's mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from aimx.channel.placing import Due
from aimx.hooks.facts import Facts
from aimx.mail import header
from aimx.mail.heading import heading
from aimx.snapshot import Hook


def due(
    hooks: Sequence[Hook], content: bytes, attempted_at: datetime, status: str, trace: str = ""
) -> Due | None:
    """For the content as it went out; None where there are no hooks."""
    if not hooks:
        return None
    said = heading(header.read(content), attempted_at, sha256(content).digest())
    facts = Facts(
        author=said.author,
        to=said.to,
        subject=said.subject,
        message_id=said.message_id,
        date=said.date,
        thread=said.thread_id,
        peer=said.to,
        send_status=status,
        trace=trace,
    )
    return Due(tuple(hook.name for hook in hooks), facts.pack())
