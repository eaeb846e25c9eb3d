"""The inbound path: who judges, who reads, who decides, who keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from aimx.hooks import received as hooks
from aimx.hooks.choice import Quiet
from aimx.mail.reading import Reading, read
from aimx.mail.stored import Judged, stored
from aimx.placing.client import NotPlaced, Placed, Placement, Placing, PlacingClient
from aimx.smtp import replies
from aimx.smtp.enforcement import enforced
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received
from aimx.snapshot import Hook, Route
from aimx.verify.judge import Judge
from aimx.verify.trust import decide
from aimx.verify.verdict import Verdicts

# A message of more octets takes so long to read that other sessions would notice.
_LARGE = 256 * 1024
# Reading a large message takes several times its size in memory, and each copy once more.
_LARGE_AT_ONCE = 2
_COPIES_AT_ONCE = 4

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Copy:
    """A message for one mailbox, and the hooks of it that the message does not fire."""

    placement: Placement
    quiet: tuple[Quiet, ...] = ()


@dataclass(frozen=True, slots=True)
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
        verdicts = await self.judge.verdicts(received.incoming)
        refusal = enforced(verdicts) if received.snapshot.receiving.enforces_dmarc else None
        if refusal is not None:
            _tell(received, verdicts, (), refusal)
            return refusal
        if len(received.incoming.content) > _LARGE:
            # Not before: a stranger's DNS may take its time.
            async with self._large:
                outcomes = await self._kept_large(received, verdicts)
        else:
            outcomes = await self._kept(received, verdicts)
        reply = _reply(outcomes)
        _tell(received, verdicts, outcomes, reply)
        return reply

    async def _kept(self, received: Received, verdicts: Verdicts) -> Sequence[Placing]:
        reading = _reading(received)
        copies = [_copy(received, reading, verdicts, *each) for each in _mailboxes(received)]
        if len(copies) == 1:
            return [await self._place(copies[0])]
        return await asyncio.gather(*map(self._place, copies))

    async def _kept_large(self, received: Received, verdicts: Verdicts) -> Sequence[Placing]:
        """The same in threads, and with few copies in memory at a time."""
        reading = await asyncio.to_thread(_reading, received)
        few = asyncio.Semaphore(_COPIES_AT_ONCE)

        async def one(route: Route, recipients: Sequence[str]) -> Placing:
            async with few:
                copy = await asyncio.to_thread(
                    _copy, received, reading, verdicts, route, recipients
                )
                return await self._place(copy)

        return await asyncio.gather(*(one(*each) for each in _mailboxes(received)))

    async def _place(self, copy: Copy) -> Placing:
        outcome = await self.placements.place(copy.placement)
        if isinstance(outcome, Placed) and (copy.quiet or copy.placement.due):
            _tell_quiet(copy, outcome)
        return outcome


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
    )
    declared = received.snapshot.hooks_on("on_receive", route.mailbox)
    return _hooked(placement, declared, reading, judged, verdicts) if declared else Copy(placement)


def _hooked(
    placement: Placement,
    declared: Sequence[Hook],
    reading: Reading,
    judged: Judged,
    verdicts: Verdicts,
) -> Copy:
    choice = hooks.choice(declared, reading, judged)
    due = hooks.due(choice, reading, judged, verdicts.author)
    return Copy(replace(placement, due=due), choice.quiet)


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


def _tell_quiet(copy: Copy, placed: Placed) -> None:
    """One line for each hook that the message does not fire."""
    due = copy.placement.due
    before = [Quiet(hook, "the message was placed before") for hook in due.hooks] if due else []
    for quiet in (*copy.quiet, *(before if placed.duplicate else ())):
        log.info(
            "on_receive",
            hook="quiet",
            hook_name=quiet.hook,
            mailbox=f"{copy.placement.name}@{copy.placement.domain}",
            email_id=placed.stem,
            reason=quiet.reason,
        )


def _tell(
    received: Received, verdicts: Verdicts, outcomes: Sequence[Placing], reply: Reply
) -> None:
    """One line a message, whatever became of it."""
    envelope = received.incoming.envelope
    facts = {
        "peer": envelope.client.address,
        "sender": envelope.sender,
        "recipients": envelope.recipients,
        "size_bytes": len(received.incoming.content),
        "spf": verdicts.spf_verdict,
        "dkim": verdicts.dkim_verdict,
        "dmarc": verdicts.dmarc_verdict,
        "reply": reply.code,
        "ids": [outcome.stem for outcome in outcomes if isinstance(outcome, Placed)],
    }
    if reply.accepts:
        log.info("mail kept", **facts)
    elif not outcomes:
        log.info("mail refused", **facts, reasons=[verdicts.dmarc.reason])
    else:
        reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, NotPlaced)]
        log.error("mail not kept", **facts, reasons=reasons)
