"""Where submissions come in, in the outbound process: whose they are, and what became of them."""

from __future__ import annotations

import os
from collections.abc import Callable

from aimx.channel.control import MOST_SUBMISSION, Answered, Submission
from aimx.channel.packets import MalformedError
from aimx.outbound.compose import HandedIn
from aimx.outbound.keys import CallersKey
from aimx.outbound.outcome import Sent
from aimx.outbound.refusal import NotSent
from aimx.outbound.submit import Sending
from aimx.processes.permission import Permit
from aimx.snapshot import Route, Snapshot
from desired.frozen import frozen


@frozen
class Letterbox:
    """Takes a submission as it was handed in."""

    sending: Callable[[], Sending]  # Under the generation of the moment.
    permitted: Permit

    async def answer(self, submission: Submission, content: bytes) -> Answered:
        """Read the author, wait for leave, and send: the answer is for whoever handed it in."""
        number, sending = submission.number, self.sending()
        body = content[: submission.content_length]
        author = sending.author(body)
        if isinstance(author, NotSent):
            return Answered(number, author.code.value, author.reason)
        route = _route(sending.snapshot, author.address)
        owner = None if route is None else route.uid
        allowed = await self.permitted(number, author.address, owner)
        if not allowed or route is None:
            return Answered(number, "MAILBOX", _no_mailbox(author.address))
        html = content[submission.content_length :] if submission.html_length else None
        handed_in = HandedIn(body, html, submission.text_only, submission.trace)
        named = submission.idempotency_key
        key = CallersKey(submission.uid, named) if named else None
        return _answered(number, await sending.send(handed_in, author.address, key))


def _answered(number: int, sent: Sent | NotSent) -> Answered:
    match sent:
        case Sent(message_id, queued):
            return Answered(number, "", message_id, queued)
        case NotSent(code, reason):
            return Answered(number, code.value, reason)


def _no_mailbox(author: str) -> str:
    """The same for a mailbox that is not there and for one of somebody else."""
    return (
        f"no mailbox matches From: {author} (run `aimx mailboxes create <name>` to register one;"
        " catchall is inbound-only)"
    )


def _route(snapshot: Snapshot, author: str) -> Route | None:
    """The mailbox of exactly this address; nobody sends as a catchall or a subaddress."""
    found = snapshot.routes.get(author.lower())
    return None if found is None or found.is_catchall else found


def content(submission: Submission, descriptors: tuple[int, ...]) -> bytes:
    """What was handed in, read whole; `MalformedError` where it does not come as announced."""
    length = submission.content_length + submission.html_length
    if len(descriptors) != 1 or length > MOST_SUBMISSION:
        raise MalformedError("a submission comes with its content")
    parts, offset = [], 0
    while offset < length:
        part = os.pread(descriptors[0], length - offset, offset)
        if not part:
            raise MalformedError("a submission's content is cut short")
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
