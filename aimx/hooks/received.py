"""What a message that came in sets off in one mailbox."""

from __future__ import annotations

from collections.abc import Sequence

from aimx.channel.placing import Due
from aimx.hooks.automated import automation
from aimx.hooks.choice import Choice, choose
from aimx.hooks.facts import Facts
from aimx.mail.author import Author, NoAuthor
from aimx.mail.reading import Reading
from aimx.mail.stored import Judged
from aimx.snapshot import Hook


def choice(hooks: Sequence[Hook], reading: Reading, judged: Judged) -> Choice:
    """`hooks` are those of the mailbox, for mail that comes in."""
    incoming = reading.incoming
    automated = automation(incoming.header, incoming.envelope.sender)
    return choose(hooks, judged.trusted, judged.trusted_reason, automated)


def due(choice: Choice, facts: Facts) -> Due | None:
    """What the placer is told; None where nothing fires."""
    return Due(choice.fires, facts.pack()) if choice.fires else None


def facts(reading: Reading, judged: Judged, author: Author | NoAuthor, trace: str) -> Facts:
    """Who would get an answer is the peer: the author, or else the envelope's sender."""
    sender = reading.incoming.envelope.sender
    said = reading.heading
    return Facts(
        author=said.author,
        to=said.to,
        subject=said.subject,
        message_id=said.message_id,
        date=said.date,
        thread=said.thread_id,
        peer=author.address if isinstance(author, Author) else sender,
        trusted=judged.trusted,
        trace=trace,
    )
