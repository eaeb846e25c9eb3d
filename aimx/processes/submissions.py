"""Messages on their way through the outbound process, as the doors hand them in."""

from __future__ import annotations

import asyncio
import itertools
import time

import structlog

from aimx.channel import trace
from aimx.channel.control import Authored, Forbidden, Outcome, Permitted, Submission
from aimx.doors.socket.frames import Code
from aimx.doors.socket.verbs import Accepted, Declined, Permission, Submitted
from aimx.metrics.table import SUBMISSIONS
from aimx.processes.crew import Crew
from aimx.processes.worker import Worker, WorkerGoneError

# TEMP would invite to send it again, and somebody may have it already.
_GONE = Declined(
    Code.DELIVERY, "the outbound process was restarted; whether the message was sent is unknown"
)
_ABSENT = Declined(Code.TEMP, "the outbound process is being restarted; nothing was sent")

log = structlog.get_logger()


class Submissions:
    """Each message by its number: first its author is asked for, then its outcome comes."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Authored | Outcome | None]] = {}

    async def submit(self, submitted: Submitted, permission: Permission) -> Accepted | Declined:
        """Send it, if the caller may send as its author. Whoever waits gets the outcome."""
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

    async def _answered(
        self, submitted: Submitted, permission: Permission, reference: str
    ) -> Accepted | Declined:
        workers = self._crew.of("outbound")
        if not workers:
            return _ABSENT
        number = next(self._numbers)
        news = self._waiting[number] = asyncio.Queue()
        try:
            message = Submission(
                number,
                submitted.content_length,
                submitted.html_length,
                submitted.text_only,
                submitted.uid,
                submitted.idempotency_key,
                reference,
            )
            await workers[0].tell(message, (submitted.content,))
            return await self._followed(workers[0], message, news, permission)
        except WorkerGoneError:
            return _GONE
        finally:
            del self._waiting[number]

    def heard(self, message: Authored | Outcome) -> None:
        if (news := self._waiting.get(message.number)) is not None:
            news.put_nowait(message)

    def lost(self) -> None:
        """The process died; nobody can tell what it had sent."""
        for news in self._waiting.values():
            news.put_nowait(None)

    async def _followed(
        self,
        outbound: Worker,
        submission: Submission,
        news: asyncio.Queue[Authored | Outcome | None],
        permission: Permission,
    ) -> Accepted | Declined:
        number = submission.number
        while True:
            match await news.get():
                case Authored(author=author, owner=owner):
                    allowed = permission(owner)
                    log.info(
                        "submission read", trace=submission.trace, author=author, allowed=allowed
                    )
                    await outbound.tell(Permitted(number) if allowed else Forbidden(number))
                case Outcome(code="", text=message_id):
                    return Accepted(message_id)
                case Outcome(code=code, text=reason):
                    return Declined(Code(code), reason)
                case None:
                    return _GONE
