"""What became of a message: for each recipient, for all of them, and in the words of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TypeAlias

from aimx.outbound.refusal import Code, NotSent
from desired.frozen import frozen

# Characters: a hundred hosts may have had much to say, and an answer travels in one packet.
_LONGEST_ANSWER = 4096


@frozen
class Delivered:
    """The recipient's host has taken responsibility for the message."""

    host: str
    tls: str = ""  # The version, as "TLSv1.3"; empty: in the clear.
    reply: str = ""  # What the host said to it.


@frozen
class Deferred:
    """Not now: a later attempt may succeed."""

    reason: str
    # It was sent whole and nobody answered: the host may have it, and a second attempt may
    # deliver it twice.
    unanswered: bool = False
    unreached: bool = False  # No host was met: other messages would fare alike.


@frozen
class Failed:
    """Not ever: another attempt would get the same answer."""

    reason: str
    # The host has refused before it was told of the message, or could not be told: another host
    # of the same domain may take it.
    elsewhere: bool = False


Outcome: TypeAlias = Delivered | Deferred | Failed


class Status(StrEnum):
    """An attempt's outcome over all recipients: the worst one."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@frozen
class Sent:
    """Every recipient's host has the message, or the queue has it."""

    message_id: str  # In angle brackets.
    queued: str = ""  # Its name in the queue; empty: it was sent at once.


@frozen
class Attempt:
    """One attempt to deliver a message to all its recipients."""

    outcomes: Mapping[str, Outcome]  # By recipient, at least one.

    @property
    def status(self) -> Status:
        found = list(self.outcomes.values())
        if any(isinstance(outcome, Failed) for outcome in found):
            return Status.FAILED
        if any(isinstance(outcome, Deferred) for outcome in found):
            return Status.DEFERRED
        return Status.DELIVERED

    @property
    def may_repeat(self) -> bool:
        """Whether the whole message may be sent again: nobody has it, and everybody may get it."""
        return all(
            isinstance(outcome, Deferred) and not outcome.unanswered
            for outcome in self.outcomes.values()
        )

    @property
    def is_unreached(self) -> bool:
        """Whether no host was met at all, by anybody's message."""
        return all(
            isinstance(outcome, Deferred) and outcome.unreached
            for outcome in self.outcomes.values()
        )

    @property
    def details(self) -> str:
        """One sentence on everybody; where all are delivered, on who took it."""
        return "; ".join(f"{to}: {_told(outcome)}" for to, outcome in self.outcomes.items())


def _told(outcome: Outcome) -> str:
    match outcome:
        case Delivered(host, tls, reply):
            return f"delivered to {host} ({tls or 'no TLS'}): {reply}"
        case Deferred(reason, unanswered=True):
            return f"deferred, and perhaps delivered: {reason}"
        case Deferred(reason):
            return f"deferred: {reason}"
        case Failed(reason):
            return f"failed: {reason}"


def told(recipient: str, outcome: Outcome) -> dict[str, object]:
    """What became of the message for one recipient, for the log."""
    status = type(outcome).__name__.lower()
    return {"to": recipient, "status": status, **asdict(outcome)}


def answer(attempt: Attempt, message_id: str) -> Sent | NotSent:
    """What the author is told.

    TEMP invites to send the whole message again. So where one recipient has it, or may have it,
    and another does not, the answer is DELIVERY with everybody's outcome: sent again, it would
    reach the first one twice.
    """
    if attempt.status is Status.DELIVERED:
        return Sent(f"<{message_id}>")
    code = Code.TEMP if attempt.may_repeat else Code.DELIVERY
    return NotSent(code, attempt.details[:_LONGEST_ANSWER])
