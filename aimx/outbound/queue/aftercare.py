"""What mailboxes are owed of a queued message: its sent copy, bounces, and what became of it.

Everything is on record before it is done and crossed out after it; done a second time it is
recognised by its fingerprint. Whoever fails is asked again later.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

import structlog

from aimx.channel.control import Attempted
from aimx.channel.frames import Due, Folder, Opening, Over, Seen
from aimx.hooks import attempted, received
from aimx.mail import dates, frontmatter
from aimx.mail.author import author
from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.mail.frontmatter import FrontmatterError
from aimx.mail.reading import read
from aimx.mail.stored import Judged, stored
from aimx.outbound.queue.bounce import Undelivered, bounce
from aimx.outbound.queue.letters import LetterError, Letters
from aimx.outbound.queue.recipient import sentence
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import State, status
from aimx.outbound.queue.thread import Turns
from aimx.outbound.queue.upkeep import Upkeep
from aimx.placing.client import NotPlaced, Placed, Placement, PlacingClient
from aimx.snapshot import Route, Snapshot

NO_COPY = "-"  # In the place of a stem: there is no copy, and none will be made.
_LARGEST_COPY = 64 * 1024 * 1024  # Octets; none of ours comes near, but its owner may write there.
_TRIES = 5  # At a copy that its owner changes while it is rewritten.
_UNTRUSTED = "it is a bounce that was made here, and nobody signed it"

log = structlog.get_logger()


class NotNowError(Exception):
    """A mailbox cannot be written to at the moment; says why."""


@dataclass(frozen=True, slots=True)
class Aftercare:
    """Pays what is owed, a message at a time."""

    upkeep: Upkeep
    letters: Letters
    turns: Turns
    placements: PlacingClient
    snapshot: Callable[[], Snapshot]
    tell: Callable[[Attempted], None]  # The supervisor, of hooks for what has no copy.

    async def tend(self, name: str) -> None:
        """Do all that can be done for it now; raises `NotNowError`, or `QueueError`."""
        message = await self.turns.take(self.upkeep.message, name)
        if message is None or message.closed is not None:
            return
        route = self.snapshot().routes.get(message.author)
        if route is None or route.uid is None:
            route = None
            log.warning("no mailbox to tell of a message", trace=name, mailbox=message.author)
        if not message.stem:
            await self._place_copy(message, route)
        await self._bounce(message, route)
        for event in await self.turns.take(self.upkeep.pending, name):
            await self._tell(name, event, route)
        if await self.turns.take(self.upkeep.close, name, datetime.now(UTC).timestamp()):
            await self.turns.take(self.letters.remove, name)

    async def _place_copy(self, message: Message, route: Route | None) -> None:
        stem = NO_COPY
        if route is not None:
            try:
                copy = await self.turns.take(self.letters.copy, message.id)
            except LetterError as cause:
                log.error("sent copy lost", trace=message.id, reason=str(cause))
            else:
                stem = await self._placed(
                    Placement(
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
                )
        await self.turns.take(self.upkeep.placed, message.id, stem or NO_COPY)

    async def _placed(self, placement: Placement) -> str:
        """Its stem; empty where the mailbox is gone. Raises `NotNowError`."""
        match await self.placements.place(placement):
            case Placed(stem):
                return stem
            case NotPlaced(reason, away=True):
                log.warning("mailbox is away", mailbox=placement.name, reason=reason)
                return ""
            case NotPlaced(reason):
                raise NotNowError(reason)

    async def _bounce(self, message: Message, route: Route | None) -> None:
        failed = tuple(each for each in message.recipients if each.bounce)
        if not failed:
            return
        if route is not None:
            undelivered = Undelivered(message, failed, await self._header(message))
            await self._placed(_placement(self.snapshot(), route, undelivered))
        await self.turns.take(self.upkeep.bounced, message.id, [each.place for each in failed])

    async def _header(self, message: Message) -> bytes:
        try:
            content = await self.turns.take(self.letters.content, message.id)
        except LetterError:
            return b""
        head: bytes = content.partition(b"\r\n\r\n")[0]
        return head

    async def _tell(self, name: str, event: Event, route: Route | None) -> None:
        """The copy says what became of the message, and the hooks fire that ask for it."""
        message = await self.turns.take(self.upkeep.message, name)
        if route is not None and message is not None:
            due = await self._due(message, event, route) if event.destination else None
            if message.stem == NO_COPY or not await self._rewritten(message, event, route, due):
                self._tell_without_copy(route, due)
        await self.turns.take(self.upkeep.told, name, event.number)

    async def _due(self, message: Message, event: Event, route: Route) -> Due | None:
        hooks = self.snapshot().hooks_on("after_send", route.mailbox)
        if not hooks:
            return None
        header = await self._header(message) + b"\r\n\r\n"
        return attempted.due(hooks, header, _time(event.at), event.status, message.id)

    def _tell_without_copy(self, route: Route, due: Due | None) -> None:
        if due is not None and route.uid is not None:
            facts = due.facts.decode()
            self.tell(Attempted(due.hooks, route.uid, route.domain, route.folder, facts))

    async def _rewritten(
        self, message: Message, event: Event, route: Route, due: Due | None
    ) -> bool:
        """Whether there is a copy, which says so now; raises `NotNowError`."""
        for _ in range(_TRIES):
            opened = await self.placements.open(_opening(message, route))
            if isinstance(opened, NotPlaced):
                return _is_there(message, opened)
            rewriting = await asyncio.to_thread(_rewriting, opened.descriptor, message)
            if rewriting is None:
                log.warning("sent copy cannot be read", trace=message.id, id=message.stem)
                return False
            placement = _exchange(message, event, route, rewriting)
            placed = await self.placements.place(replace(placement, due=due))
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


@dataclass(frozen=True, slots=True)
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
        if seen.size > _LARGEST_COPY:
            return None
        raw = file.read(_LARGEST_COPY)
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
        keys["delivered_at"] = dates.rfc3339(_time(last))
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


def _placement(snapshot: Snapshot, route: Route, undelivered: Undelivered) -> Placement:
    """The bounce as mail that came in, for the hooks of the inbox too."""
    to = undelivered.message.author
    envelope = Envelope("", (to,), Client("", snapshot.hostname))
    content = bounce(undelivered, snapshot.hostname)
    reading = read(Incoming(envelope, content, undelivered.at))
    trusts = route.trust != "none"
    judged = Judged(
        *("none", "none", "none"), "false" if trusts else "none", _UNTRUSTED if trusts else ""
    )
    copy = stored(reading, route, (to,), judged)
    choice = received.choice(snapshot.hooks_on("on_receive", route.mailbox), reading, judged)
    name = undelivered.message.id
    facts = received.facts(reading, judged, author(reading.incoming.header), name)
    return Placement(
        domain=route.domain,
        folder="inbox",
        name=route.folder,
        uid=route.uid or 0,
        base=copy.base,
        rest=copy.rest,
        attachments=copy.attachments,
        fingerprint=copy.fingerprint,
        due=received.due(choice, facts),
        trace=name,
    )


def _time(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
