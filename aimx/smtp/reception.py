"""The inbound path: who judges, who reads, who decides, who keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from aimx.hooks import received as hooks
from aimx.mail.reading import Reading, read
from aimx.mail.stored import Judged, stored
from aimx.placing.client import NotPlaced, Placed, Placement, Placing, PlacingClient
from aimx.smtp import replies
from aimx.smtp.enforcement import enforced
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received
from aimx.smtp.telling import Copy, Course, Kept, tell, tell_quiet
from aimx.snapshot import Route
from aimx.verify.caching import ask_once
from aimx.verify.judge import Judge
from aimx.verify.trust import decide
from aimx.verify.verdict import Verdicts
from desired.frozen import field, frozen

# A message of more octets takes so long to read that other sessions would notice.
_LARGE = 256 * 1024
# Reading a large message takes several times its size in memory, and each copy once more.
_LARGE_AT_ONCE = 2
_COPIES_AT_ONCE = 4

log = structlog.get_logger()


@frozen
class Reception:
    """Takes responsibility for messages."""

    judge: Judge
    placements: PlacingClient
    _large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_AT_ONCE))

    async def receive(self, received: Received) -> Reply:
        """Keep a message for all of its recipients, or say why not.

        250 is a promise (RFC 5321 4.2.5): it is sent after every copy is on disk. Where one copy
        is kept and another is not, the answer is no, and the one that is kept will be known as a
        duplicate when the client comes again.
        """
        course = Course()
        verdicts = await self.judge.verdicts(received.incoming)
        course.judged()
        refusal = enforced(verdicts) if received.snapshot.receiving.enforces_dmarc else None
        if refusal is not None:
            tell(received, verdicts, (), refusal, course)
            return refusal.about(received.trace)
        if len(received.incoming.content) > _LARGE:
            # Not before: a stranger's DNS may take its time.
            async with self._large:
                copies = await self._kept_large(received, verdicts, course)
        else:
            copies = await self._kept(received, verdicts, course)
        course.placed()
        reply = _reply([kept.outcome for kept in copies])
        tell(received, verdicts, copies, reply, course)
        return reply.about(received.trace)

    async def foresee(self, received: Received) -> None:
        """Have what judging will ask for looked up, given the beginning of a message.

        The same task then judges all of it, and waits for no answer a second time: it may have to
        wait for its turn meanwhile, and others wait for theirs.
        """
        ask_once()
        await self.judge.verdicts(received.incoming)

    async def _kept(self, received: Received, verdicts: Verdicts, course: Course) -> Sequence[Kept]:
        reading = _reading(received)
        copies = [_copy(received, reading, verdicts, *each) for each in _mailboxes(received)]
        course.read()
        if len(copies) == 1:
            return [await self._place(received, copies[0])]
        return await asyncio.gather(*(self._place(received, copy) for copy in copies))

    async def _kept_large(
        self, received: Received, verdicts: Verdicts, course: Course
    ) -> Sequence[Kept]:
        """The same in threads, and with few copies in memory at a time."""
        reading = await asyncio.to_thread(_reading, received)
        course.read()
        few = asyncio.Semaphore(_COPIES_AT_ONCE)

        async def one(route: Route, recipients: Sequence[str]) -> Kept:
            async with few:
                copy = await asyncio.to_thread(
                    _copy, received, reading, verdicts, route, recipients
                )
                return await self._place(received, copy)

        return await asyncio.gather(*(one(*each) for each in _mailboxes(received)))

    async def _place(self, received: Received, copy: Copy) -> Kept:
        outcome = await self.placements.place(copy.placement)
        if isinstance(outcome, Placed) and (copy.quiet or copy.placement.due):
            tell_quiet(received, copy, outcome)
        return Kept(copy.mailbox, copy.trusted, outcome)


def _reading(received: Received) -> Reading:
    return read(received.incoming, keep_raw=received.snapshot.receiving.keeps_raw)


def _mailboxes(received: Received) -> list[tuple[Route, list[str]]]:
    """Each mailbox once, with the recipients that lead to it."""
    found: dict[str, tuple[Route, list[str]]] = {}
    for recipient, route in received.routes:
        found.setdefault(route.mailbox, (route, []))[1].append(recipient)
    return list(found.values())


def _copy(
    received: Received,
    reading: Reading,
    verdicts: Verdicts,
    route: Route,
    recipients: Sequence[str],
) -> Copy:
    # RCPT lets nobody through to a mailbox without an owner.
    assert route.uid is not None
    judged = _judged(received, verdicts, route)
    copy = stored(reading, route, recipients, judged)
    placement = Placement(
        domain=route.domain,
        folder="inbox",
        name=route.folder,
        uid=route.uid,
        base=copy.base,
        rest=copy.rest,
        attachments=copy.attachments,
        fingerprint=copy.fingerprint,
        trace=received.trace,
    )
    declared = received.snapshot.hooks_on("on_receive", route.mailbox)
    if not declared:
        return Copy(route.mailbox, placement, judged.trusted)
    choice = hooks.choice(declared, reading, judged)
    facts = hooks.facts(reading, judged, verdicts.author, received.trace)
    hooked = replace(placement, due=hooks.due(choice, facts))
    return Copy(route.mailbox, hooked, judged.trusted, choice.quiet)


def _judged(received: Received, verdicts: Verdicts, route: Route) -> Judged:
    trusted = decide(
        route.trust,
        route.trusted_senders,
        verdicts.author,
        verdicts,
        received.incoming.received_at,
        timedelta(seconds=received.snapshot.max_signature_age),
    )
    return Judged(
        dkim=verdicts.dkim_verdict,
        spf=verdicts.spf_verdict,
        dmarc=verdicts.dmarc_verdict,
        trusted=trusted.value,
        trusted_reason=trusted.reason,
    )


def _reply(outcomes: Sequence[Placing]) -> Reply:
    missing = [outcome for outcome in outcomes if isinstance(outcome, NotPlaced)]
    if not missing:
        return replies.ACCEPTED
    if len(missing) < len(outcomes):
        return replies.PARTLY_KEPT
    if all(outcome.full for outcome in missing):
        return replies.MAILBOX_FULL
    return replies.MAILBOX_AWAY if all(outcome.away for outcome in missing) else replies.NOT_KEPT
