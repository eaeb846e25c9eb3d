"""What a mailbox may send in a day (`[limits]`), and what somebody is told who would send more.

Counted are messages, however many recipients each has, and recipients to whom the mailbox has not
written before. What was refused, or given back since nothing went out, never counts.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ParamSpec, Protocol, TypeAlias

import structlog

from aimx.mail.dates import rfc3339
from aimx.outbound.refusal import Code, NotSent
from aimx.outbound.spent import DAY, Spent
from aimx.outbound.tally import Tally
from aimx.snapshot import Allowance, Snapshot
from desired.frozen import frozen

P = ParamSpec("P")

_Over: TypeAlias = tuple[datetime | None, str]  # Until when (None: for ever), and the limit.

_NEVER = datetime.max.replace(tzinfo=UTC)
_UNCOUNTED = NotSent(Code.TEMP, "what was sent today cannot be counted; nothing was sent")

log = structlog.get_logger()


class Share(Protocol):
    """One message's share of what its mailbox may send, to be taken right before it goes further.

    Whoever is handed the same message again, by its idempotency key, takes none for it.
    """

    async def take(self) -> NotSent | None:
        """Count the message; or why it must not be sent now, and then it is not counted."""

    async def give_back(self) -> None:
        """Nobody was asked to take it, and it may be handed in again."""

    async def forgive(self) -> None:
        """Hosts were asked, and nobody got it. So much of that does not count as counts otherwise:
        whoever is put off may come again, and nobody knocks at doors all day.
        """


class _Unlimited:
    """For whom nobody counts."""

    async def take(self) -> None:
        pass

    async def give_back(self) -> None:
        pass

    async def forgive(self) -> None:
        pass


UNLIMITED: Share = _Unlimited()


@dataclass(slots=True)
class Limited:
    """One message of one mailbox."""

    tally: Tally
    mailbox: str
    allowance: Allowance
    recipients: Sequence[str]
    now: datetime
    former: str | None = None  # The address that the mailbox had before it was moved.
    _number: int | None = None  # Under which it was counted.

    async def take(self) -> NotSent | None:
        refused: NotSent | None = None

        def admits(spent: Spent) -> bool:
            nonlocal refused
            refused = refusal(self.mailbox, self.allowance, spent)
            return refused is None

        try:
            self._number = await self.tally.turns.take(
                self.tally.count,
                self.mailbox,
                self.recipients,
                self.now,
                admits,
                self.former,
            )
        except sqlite3.Error as cause:
            log.error("sending not counted", mailbox=self.mailbox, reason=str(cause))
            return _UNCOUNTED
        if refused is not None:
            log.info("limit reached", mailbox=self.mailbox, reason=refused.reason)
        return refused

    async def give_back(self) -> None:
        if self._number is not None:
            await self._less(self.tally.give_back, self._number)

    async def forgive(self) -> None:
        if self._number is not None:
            await self._less(self.tally.forgive, self._number, self.now, self._forgives)

    def _forgives(self, sends: int, firsts: int) -> bool:
        most = self.allowance
        is_within = sends <= most.sends_per_day and firsts <= most.new_recipients_per_day
        if not is_within:
            log.info("what nobody got counts", mailbox=self.mailbox)
        return is_within

    async def _less(self, work: Callable[P, object], *words: P.args, **named: P.kwargs) -> None:
        try:
            await self.tally.turns.take(work, *words, **named)
        except sqlite3.Error as cause:
            log.error("what was not sent stays counted", mailbox=self.mailbox, reason=str(cause))
        self._number = None


@frozen
class Limits:
    """What holds in one generation."""

    tally: Tally
    snapshot: Snapshot

    def share(self, author: str, recipients: Sequence[str], now: datetime) -> Share:
        """For a message of this author; an alias sends for its mailbox."""
        route = self.snapshot.routes.get(author)
        mailbox = route.mailbox if route else author
        allowance = self.snapshot.allowance_of(mailbox)
        former = self.snapshot.former.get(mailbox)
        return Limited(self.tally, mailbox, allowance, recipients, now, former)


def refusal(mailbox: str, allowance: Allowance, spent: Spent) -> NotSent | None:
    """Why one more message must not be sent. Of two reasons the one that holds longer is told."""
    over = [*_too_many(mailbox, allowance, spent), *_too_new(mailbox, allowance, spent)]
    if not over:
        return None
    until, text = max(over, key=lambda each: each[0] or _NEVER)
    if until is None:
        return NotSent(Code.EACCES, text)
    return NotSent(Code.TEMP, f"{text}; it may be sent from {_told(until)} on")


def _too_many(mailbox: str, allowance: Allowance, spent: Spent) -> Iterator[_Over]:
    most, sent = allowance.sends_per_day, spent.sends
    if sent + 1 > most:
        text = f"limits.sends_per_day = {most}: {mailbox} has sent {sent} within 24 hours"
        yield (spent.send_at(sent - most) + DAY if most else None), text


def _too_new(mailbox: str, allowance: Allowance, spent: Spent) -> Iterator[_Over]:
    adds = spent.adds
    if not adds:
        return
    most, found = allowance.new_recipients_per_day, spent.firsts
    if found + adds > most:
        text = (
            f"limits.new_recipients_per_day = {most}: {mailbox} has written to {found} for the"
            f" first time within 24 hours, and this message has {adds} more"
        )
        # So many of them have to be a day old that the rest leaves room.
        yield (spent.first_at(found + adds - most - 1) + DAY if adds <= most else None), text


def _told(until: datetime) -> str:
    """The first whole second of which it is true."""
    return rfc3339(datetime.fromtimestamp(math.ceil(until.timestamp()), UTC))
