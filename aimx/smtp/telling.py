"""What is told of a message that came in: one line in the log, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import structlog

from aimx.hooks.choice import Quiet
from aimx.metrics import table as metrics
from aimx.placing.client import Placed, Placement, Placing
from aimx.smtp.replies import Reply
from aimx.smtp.service import Received
from aimx.verify.verdict import Verdicts
from desired.frozen import frozen

log = structlog.get_logger()


@frozen
class Copy:
    """A message for one mailbox, and the hooks of it that the message does not fire."""

    mailbox: str
    placement: Placement
    trusted: str
    quiet: tuple[Quiet, ...] = ()


@frozen
class Kept:
    """What became of a copy, without its content: other copies may be on their way for long."""

    mailbox: str
    trusted: str
    outcome: Placing

    def told(self) -> dict[str, object]:
        who, outcome = {"mailbox": self.mailbox, "trusted": self.trusted}, self.outcome
        if isinstance(outcome, Placed):
            return {**who, "id": outcome.stem, "duplicate": outcome.duplicate}
        return {**who, "reason": outcome.reason}


class Course:
    """How long each part of a message's way takes, in seconds; 0 while it has not come to it."""

    __slots__ = ("_judging", "_last", "_placing", "_reading")

    def __init__(self) -> None:
        self._last = perf_counter()
        self._judging = self._reading = self._placing = 0.0

    def judged(self) -> None:
        self._judging = self._part()
        metrics.JUDGING.observe(self._judging)

    def read(self) -> None:
        self._reading = self._part()
        metrics.READING.observe(self._reading)

    def placed(self) -> None:
        self._placing = self._part()
        metrics.PLACING.observe(self._placing)

    def told(self) -> dict[str, float]:
        return {
            "judging_ms": round(1000 * self._judging, 1),
            "reading_ms": round(1000 * self._reading, 1),
            "placing_ms": round(1000 * self._placing, 1),
        }

    def _part(self) -> float:
        before, self._last = self._last, perf_counter()
        return self._last - before


def tell(
    received: Received, verdicts: Verdicts, copies: Sequence[Kept], reply: Reply, course: Course
) -> None:
    """One line a message, whatever became of it."""
    envelope = received.incoming.envelope
    outcome = _outcome(copies, reply)
    spf, dkim, dmarc = verdicts.spf_verdict, verdicts.dkim_verdict, verdicts.dmarc_verdict
    _count(received, (spf, dkim, dmarc), copies, outcome)
    facts = {
        "trace": received.trace,
        "peer": envelope.client.address,
        "helo": envelope.client.helo,
        "tls": envelope.client.tls,
        "sender": envelope.sender,
        "recipients": envelope.recipients,
        "size_bytes": len(received.incoming.content),
        "spf": spf,
        "dkim": dkim,
        "dmarc": dmarc,
        "reply": reply.code,
        "copies": [kept.told() for kept in copies],
        **course.told(),
    }
    if outcome == "refused":
        log.info("mail refused", **facts, reason=verdicts.dmarc.reason)
    elif outcome == "not_kept":
        log.error("mail not kept", **facts)
    else:
        log.info("mail kept", **facts)


def tell_quiet(received: Received, copy: Copy, placed: Placed) -> None:
    """One line for each hook that the message does not fire."""
    due = copy.placement.due
    before = [Quiet(hook, "the message was placed before") for hook in due.hooks] if due else []
    for quiet in (*copy.quiet, *(before if placed.duplicate else ())):
        metrics.FIRINGS.count("on_receive", "quiet")
        log.info(
            "on_receive",
            hook="quiet",
            trace=received.trace,
            hook_name=quiet.hook,
            mailbox=copy.mailbox,
            email_id=placed.stem,
            reason=quiet.reason,
        )


def _outcome(copies: Sequence[Kept], reply: Reply) -> str:
    """In a word of the metric's."""
    if not reply.accepts:
        return "not_kept" if copies else "refused"
    known = all(isinstance(it.outcome, Placed) and it.outcome.duplicate for it in copies)
    return "duplicate" if known else "kept"


def _count(
    received: Received, words: tuple[str, str, str], copies: Sequence[Kept], outcome: str
) -> None:
    metrics.MESSAGES.count(outcome)
    metrics.SIZE.observe(len(received.incoming.content))
    for check, word in zip((metrics.SPF, metrics.DKIM, metrics.DMARC), words, strict=True):
        check.count(word)
    for kept in copies:
        metrics.TRUSTED.count(kept.trusted)
