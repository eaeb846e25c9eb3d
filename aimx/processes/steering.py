"""What the doors want of the queue, carried out in the outbound process."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from aimx.channel.control import Answered, QueueWish
from aimx.outbound.queue import schedule, telling
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.rows import Message
from aimx.outbound.queue.service import Queue
from aimx.outbound.queue.states import WAITING, State
from aimx.outbound.queue.steering import Steering
from aimx.processes.permission import Permit
from aimx.snapshot import Snapshot
from desired.frozen import frozen

_MOST = 500  # Messages of a list.
# Of which recipients a message must have one, so that there is something to do.
_NEEDED = {
    "hold": WAITING | {State.LEAVING},
    "release": frozenset({State.HELD}),
    "retry": WAITING | {State.HELD, State.UNKNOWN},
    "cancel": WAITING | {State.HELD, State.LEAVING, State.UNKNOWN},
}
log = structlog.get_logger()


@frozen
class Desk:
    """Where wishes come in."""

    queue: Queue
    snapshot: Callable[[], Snapshot]
    permitted: Permit

    async def answer(self, wish: QueueWish) -> Answered:
        try:
            if wish.name:
                return await self._about(wish)
            document = await (self._retried(wish) if wish.does == "retry" else self._listed(wish))
        except QueueError as cause:
            log.error("the queue cannot be asked", reason=str(cause))
            return Answered(
                wish.number, "TEMP", "the queue cannot be read or written at the moment"
            )
        return _told(wish, document)

    async def _listed(self, wish: QueueWish) -> dict[str, Any]:
        authors = self._mailboxes(wish)
        messages = await self.queue.steer(lambda steering: steering.waiting(authors, _MOST))
        number = await self.queue.steer(lambda steering: steering.count(authors))
        return telling.listed(messages, number - len(messages))

    async def _retried(self, wish: QueueWish) -> dict[str, Any]:
        authors, now = self._mailboxes(wish), _now()
        number = await self.queue.steer(
            lambda steering: steering.retry_all(authors, now, _patience(wish))
        )
        log.info("queue steered", does=wish.does, uid=wish.uid, messages=number)
        return telling.retried(number)

    def _mailboxes(self, wish: QueueWish) -> list[str] | None:
        """Those whose messages are meant; None: all."""
        if wish.uid is None:
            return None
        routes = self.snapshot().routes.values()
        return sorted({route.mailbox for route in routes if route.uid == wish.uid})

    async def _about(self, wish: QueueWish) -> Answered:
        """One message. Whoever may not know of it is told what is said of one that is not there."""
        name = wish.name
        message = await self.queue.steer(lambda steering: steering.find(name))
        route = self.snapshot().routes.get(message.author) if message else None
        author = message.author if message else ""
        allowed = await self.permitted(wish.number, author, route.uid if route else None)
        if not allowed or message is None:
            return Answered(wish.number, "ENOENT", f"message '{name}' does not exist")
        if wish.does != "show":
            refusal = _refusal(wish.does, message)
            if refusal:
                return Answered(wish.number, "VALIDATION", refusal)
            message = await self.queue.steer(lambda steering: _do(steering, wish))
            log.info("queue steered", trace=name, does=wish.does, uid=wish.uid)
            self.queue.owe(name)
        events = await self.queue.steer(lambda steering: steering.events(name))
        assert message is not None
        return _told(wish, telling.shown(message, events))


def _do(steering: Steering, wish: QueueWish) -> Message | None:
    name, now = wish.name, _now()
    match wish.does:
        case "hold":
            return steering.hold(name, now, now + wish.seconds if wish.seconds else None)
        case "release":
            return steering.release(name, now, _patience(wish))
        case "retry":
            return steering.retry(name, now, _patience(wish))
        case _:
            return steering.cancel(name, now)


def _patience(wish: QueueWish) -> float:
    """Nobody knocks at a host's door all day but who answers for this server."""
    return 0.0 if wish.uid is None else schedule.SOONEST


def _refusal(does: str, message: Message) -> str:
    """Why there is nothing to do about it; empty if there is."""
    if any(each.state in _NEEDED[does] for each in message.recipients) and not message.closed:
        return ""
    state = telling.state(message.recipients)
    return f"message '{message.id}' is {state}: there is nothing to {does}"


def _told(wish: QueueWish, document: dict[str, Any]) -> Answered:
    return Answered(wish.number, "", json.dumps(document, ensure_ascii=False))


def _now() -> float:
    return datetime.now(UTC).timestamp()
