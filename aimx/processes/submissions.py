"""Messages on their way through the outbound process, as the doors hand them in."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import structlog

from aimx.channel import trace
from aimx.channel.control import (
    Answered,
    Authored,
    Forbidden,
    Permitted,
    QueueWish,
    Submission,
)
from aimx.channel.packets import MalformedError
from aimx.doors.socket.frames import Code
from aimx.doors.socket.submission import (
    Accepted,
    Declined,
    Permission,
    Steered,
    Steering,
    Submitted,
)
from aimx.metrics.table import SUBMISSIONS
from aimx.processes.crew import Crew
from aimx.processes.worker import Worker, WorkerGoneError

# TEMP would invite to send it again, and somebody may have it already.
_GONE = Declined(
    Code.DELIVERY, "the outbound process was restarted; whether the message was sent is unknown"
)
_ABSENT = Declined(Code.TEMP, "the outbound process is being restarted; nothing was sent")

_STOPPED = Declined(
    Code.TEMP, "the outbound process is being restarted; `aimx queue list` tells how it stands"
)

_CODES = frozenset(("", *Code))

log = structlog.get_logger()


class Absence(Enum):
    """Why there is no answer."""

    NOT_THERE = auto()  # It was not even asked.
    GONE = auto()  # It died over it.


@dataclass(slots=True)
class _Waiting:
    """Whoever asked, and what it was told. Each sort comes once, so that little is unread."""

    news: asyncio.Queue[Authored | Answered | Absence] = field(default_factory=asyncio.Queue)
    told: set[type] = field(default_factory=set)


class Submissions:
    """Each message by its number: first its author is asked for, then the answer comes."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}

    async def submit(self, submitted: Submitted, permission: Permission) -> Accepted | Declined:
        """Send it, if the caller may send as its author. Whoever waits gets the answer."""
        reference, begun = trace.fresh(), time.perf_counter()
        answer = await self._answered(submitted, permission, reference)
        code = "sent" if isinstance(answer, Accepted) else answer.code.value
        SUBMISSIONS.count(code)
        log.info(
            "submission answered",
            trace=reference,
            uid=submitted.uid,
            answer=code,
            duration_ms=round(1000 * (time.perf_counter() - begun), 1),
        )
        return answer

    async def steer(self, steering: Steering, permission: Permission) -> Steered | Declined:
        """Ask the queue. Nothing was done where the process died over it, or it will say so."""
        wish = QueueWish(
            next(self._numbers), steering.does, steering.name, steering.uid, steering.seconds
        )
        match await self._asked(wish, (), permission, trace.fresh()):
            case Answered(code="", text=document):
                return Steered(json.loads(document))
            case Answered(code=code, text=reason):
                return Declined(Code(code), reason)
            case _:
                return _STOPPED

    async def _answered(
        self, submitted: Submitted, permission: Permission, reference: str
    ) -> Accepted | Declined:
        message = Submission(
            next(self._numbers),
            submitted.content_length,
            submitted.html_length,
            submitted.text_only,
            submitted.uid,
            submitted.idempotency_key,
            reference,
        )
        match await self._asked(message, (submitted.content,), permission, reference):
            case Answered(code="", text=message_id, queued=queued):
                return Accepted(message_id, queued)
            case Answered(code=code, text=reason):
                return Declined(Code(code), reason)
            case absence:
                return _GONE if absence is Absence.GONE else _ABSENT

    async def _asked(
        self,
        message: Submission | QueueWish,
        descriptors: Sequence[int],
        permission: Permission,
        reference: str,
    ) -> Answered | Absence:
        workers = self._crew.of("outbound")
        if not workers:
            return Absence.NOT_THERE
        waiting = self._waiting[message.number] = _Waiting()
        try:
            await workers[0].tell(message, descriptors)
            return await self._followed(workers[0], reference, waiting.news, permission)
        except WorkerGoneError:
            return Absence.GONE
        finally:
            del self._waiting[message.number]

    def heard(self, message: Authored | Answered) -> None:
        """Raises `MalformedError` for what no outbound process of ours says."""
        if isinstance(message, Answered) and message.code not in _CODES:
            raise MalformedError("an answer with a code that nobody knows")
        waiting = self._waiting.get(message.number)
        if waiting is None:
            return
        if type(message) in waiting.told:
            raise MalformedError(f"{type(message).__name__} was said twice of one message")
        waiting.told.add(type(message))
        waiting.news.put_nowait(message)

    def lost(self) -> None:
        """The process died; nobody can tell what it had sent."""
        for waiting in self._waiting.values():
            waiting.news.put_nowait(Absence.GONE)

    async def _followed(
        self,
        outbound: Worker,
        reference: str,
        news: asyncio.Queue[Authored | Answered | Absence],
        permission: Permission,
    ) -> Answered | Absence:
        while True:
            match await news.get():
                case Authored(number=number, author=author, owner=owner):
                    allowed = permission(owner)
                    log.info("submission read", trace=reference, author=author, allowed=allowed)
                    await outbound.tell(Permitted(number) if allowed else Forbidden(number))
                case answer:
                    return answer
