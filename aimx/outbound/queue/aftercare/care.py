"""Pays what mailboxes are owed of a letter: its sent copy, bounces, and what became of it.

Everything is on record before it is done and crossed out after it; done a second time it is
recognised by its fingerprint. Whoever fails is asked again later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from aimx.channel.control import Attempted
from aimx.channel.placing import Due
from aimx.hooks import attempted
from aimx.outbound.queue.aftercare import copies
from aimx.outbound.queue.aftercare.bounce import Undelivered
from aimx.outbound.queue.aftercare.debts import Debts
from aimx.outbound.queue.aftercare.mailbox import placed
from aimx.outbound.queue.aftercare.returned import returned
from aimx.outbound.queue.letters import LetterError, Letters
from aimx.outbound.queue.recipient import time
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.turns import Turns
from aimx.placing.client import PlacingClient
from aimx.snapshot import Route, Snapshot
from desired.frozen import frozen

NO_COPY = "-"  # In the place of a stem: there is no copy, and none will be made.

log = structlog.get_logger()


@frozen
class Aftercare:
    """A message at a time."""

    debts: Debts
    letters: Letters
    turns: Turns
    placements: PlacingClient
    snapshot: Callable[[], Snapshot]
    tell: Callable[[Attempted], None]  # The supervisor, of hooks for what has no copy.

    async def tend(self, name: str) -> None:
        """Do all that can be done for it now; raises `NotNowError`, or `QueueError`."""
        message = await self.turns.take(self.debts.message, name)
        if message is None or message.closed is not None:
            return
        route = self.snapshot().routes.get(message.author)
        if route is None or route.uid is None:
            route = None
            log.warning("no mailbox to tell of a message", trace=name, mailbox=message.author)
        if not message.stem:
            await self._place_copy(message, route)
        await self._bounce(message, route)
        for event in await self.turns.take(self.debts.pending, name):
            await self._tell(name, event, route)
        if await self.turns.take(self.debts.close, name, datetime.now(UTC).timestamp()):
            await self.turns.take(self.letters.remove, name)

    async def _place_copy(self, message: Message, route: Route | None) -> None:
        stem = NO_COPY
        if route is not None:
            try:
                copy = await self.turns.take(self.letters.copy, message.id)
            except LetterError as cause:
                log.error("sent copy lost", trace=message.id, reason=str(cause))
            else:
                stem = await placed(self.placements, copies.first(message, copy, route))
        await self.turns.take(self.debts.placed, message.id, stem or NO_COPY)

    async def _bounce(self, message: Message, route: Route | None) -> None:
        failed = tuple(each for each in message.recipients if each.bounce)
        if not failed:
            return
        if route is not None:
            undelivered = Undelivered(message, failed, await self._header(message))
            await placed(self.placements, returned(self.snapshot(), route, undelivered))
        await self.turns.take(self.debts.bounced, message.id, [each.place for each in failed])

    async def _header(self, message: Message) -> bytes:
        try:
            content = await self.turns.take(self.letters.content, message.id)
        except LetterError:
            return b""
        head: bytes = content.partition(b"\r\n\r\n")[0]
        return head

    async def _tell(self, name: str, event: Event, route: Route | None) -> None:
        """The copy says what became of the message, and the hooks fire that ask for it."""
        message = await self.turns.take(self.debts.message, name)
        if route is not None and message is not None:
            due = await self._due(message, event, route) if event.destination else None
            if message.stem == NO_COPY or not await copies.rewritten(
                self.placements, message, event, route, due
            ):
                self._tell_without_copy(route, due)
        await self.turns.take(self.debts.told, name, event.number)

    async def _due(self, message: Message, event: Event, route: Route) -> Due | None:
        hooks = self.snapshot().hooks_on("after_send", route.mailbox)
        if not hooks:
            return None
        header = await self._header(message) + b"\r\n\r\n"
        return attempted.due(hooks, header, time(event.at), event.status, message.id)

    def _tell_without_copy(self, route: Route, due: Due | None) -> None:
        if due is not None and route.uid is not None:
            facts = due.facts.decode()
            self.tell(Attempted(due.hooks, route.uid, route.domain, route.folder, facts))
