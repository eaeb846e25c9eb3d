"""The sent copy of a letter: placed once, and rewritten when it has something new to say.

It is its owner's file: what they wrote into it stays, and where they removed it there is none.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from hashlib import sha256

import structlog

from aimx.channel.placing import Due, Folder, Opening, Over, Seen
from aimx.mail import dates, frontmatter
from aimx.mail.frontmatter import FrontmatterError
from aimx.outbound.queue.aftercare.mailbox import NotNowError
from aimx.outbound.queue.letters import Copy
from aimx.outbound.queue.recipient import sentence, time
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import State, status
from aimx.placing.client import NotPlaced, Placed, Placement, PlacingClient
from aimx.snapshot import Route
from desired.frozen import frozen

_LARGEST = 64 * 1024 * 1024  # Octets; none of ours comes near, but its owner may write there.
_TRIES = 5  # At one that its owner changes while it is rewritten.

log = structlog.get_logger()


def first(message: Message, copy: Copy, route: Route) -> Placement:
    """As it is placed while nothing was tried."""
    return Placement(
        domain=route.domain,
        folder="sent",
        name=route.folder,
        uid=route.uid or 0,
        base=copy.stem,
        rest=copy.rest,
        attachments=copy.files,
        fingerprint=message.origin,
        trace=message.id,
    )


async def rewritten(
    placements: PlacingClient, message: Message, event: Event, route: Route, due: Due | None
) -> bool:
    """Whether there is a copy, which says so now; raises `NotNowError`."""
    for _ in range(_TRIES):
        opened = await placements.open(_opening(message, route))
        if isinstance(opened, NotPlaced):
            return _is_there(message, opened)
        rewriting = await asyncio.to_thread(_rewriting, opened.descriptor, message)
        if rewriting is None:
            log.warning("sent copy cannot be read", trace=message.id, id=message.stem)
            return False
        placement = _exchange(message, event, route, rewriting)
        placed = await placements.place(replace(placement, due=due))
        if isinstance(placed, Placed):
            return True
        if not placed.changed:
            return _is_there(message, placed)
    raise NotNowError("its owner changes the sent copy all the time")


def _is_there(message: Message, refused: NotPlaced) -> bool:
    """No, if it is gone; else whoever cannot be asked now raises `NotNowError`."""
    if not refused.away:
        raise NotNowError(refused.reason)
    log.info("sent copy is gone", trace=message.id, reason=refused.reason)
    return False


@frozen
class Rewriting:
    """A copy as it was, and as it is to be."""

    seen: Seen
    rest: bytes  # Behind its line `id = …`.


def _rewriting(descriptor: int, message: Message) -> Rewriting | None:
    """What the copy has to say now, whatever else its owner wrote into it; closes it.

    None where it is no stored mail any more.
    """
    with os.fdopen(descriptor, "rb") as file:
        seen = Seen.of(os.fstat(descriptor))
        if seen.size > _LARGEST:
            return None
        raw = file.read(_LARGEST)
    try:
        keys, body = frontmatter.split(raw)
    except FrontmatterError:
        return None
    keys.pop("id", None)
    keys.pop("delivered_at", None)
    keys["delivery_status"] = status(each.state for each in message.recipients)
    keys["delivery_details"] = sentence(message.recipients)
    if all(each.state is State.DELIVERED for each in message.recipients):
        last = max(each.changed for each in message.recipients)
        keys["delivered_at"] = dates.rfc3339(time(last))
    return Rewriting(seen, frontmatter.join(keys, body).removeprefix(b"+++\n"))


def _opening(message: Message, route: Route) -> Opening:
    return Opening(0, Folder.SENT, route.domain, route.folder, route.uid or 0, message.origin)


def _exchange(message: Message, event: Event, route: Route, rewriting: Rewriting) -> Placement:
    return Placement(
        domain=route.domain,
        folder="sent",
        name=route.folder,
        uid=route.uid or 0,
        base="",
        rest=rewriting.rest,
        # With its time: a queue that was begun anew counts from one again.
        fingerprint=sha256(message.origin + f"{event.number} {event.at!r}".encode()).digest(),
        over=Over(message.origin, rewriting.seen),
        trace=message.id,
    )
