"""A recipient of a queued message through an attempt: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from aimx.outbound.outcome import Deferred, Delivered, Failed, Outcome
from aimx.outbound.queue import schedule
from aimx.outbound.queue.states import Halt, State, after, interrupted
from desired.frozen import frozen


@frozen
class Recipient:
    """As it is on record. Times are seconds since 1970."""

    place: int  # Among the message's.
    address: str
    destination: str
    state: State
    due: float  # When it is tried next, while it waits.
    changed: float
    attempts: int = 0
    told: str = ""  # The reason, or where and how it was delivered.
    open: bool = False  # In an attempt that is not concluded.
    bounce: bool = False  # It failed, and its sender's mailbox does not say so yet.


@frozen
class Span:
    """A message's time: now, and until when it is tried."""

    now: float
    queued: float
    expires: float

    @property
    def is_over(self) -> bool:
        return self.now >= self.expires


def leaving(recipient: Recipient, now: float) -> Recipient:
    """Its content goes to a host from now on."""
    return replace(recipient, state=State.LEAVING, open=True, changed=now)


def answered(recipient: Recipient, outcome: Outcome, halt: Halt, now: float) -> Recipient:
    """What a host said to the content; the attempt may go on with others."""
    state = after(recipient.state, outcome, halt)
    return replace(
        recipient,
        state=state,
        told=_told(outcome),
        changed=now,
        bounce=recipient.bounce or state is State.FAILED,
    )


def concluded(
    recipient: Recipient, outcome: Outcome, halt: Halt, span: Span, random: Random
) -> Recipient:
    """After an attempt. Who is deferred waits for the next one, or fails if its time is over."""
    if recipient.state is State.LEAVING and isinstance(outcome, Deferred):
        # Nobody has told of an answer to the content.
        outcome = replace(outcome, unanswered=True)
    was, found = recipient.state, recipient
    if was not in (State.DELIVERED, State.FAILED, State.UNKNOWN):
        found = answered(recipient, outcome, halt, span.now)
    found = replace(found, attempts=found.attempts + 1, open=False)
    if found.state is not State.DEFERRED:
        return found
    due = schedule.due(found.attempts, span.now, span.expires, random)
    if due is None:
        told = f"gave up after {_lasting(span)}: {found.told}"
        return replace(found, state=State.FAILED, told=told, bounce=True)
    return replace(found, due=due)


def abandoned(recipient: Recipient, now: float) -> Recipient:
    """As whoever comes after a crash has to take it."""
    state = interrupted(recipient.state)
    told = recipient.told
    if state is not recipient.state:
        told = "interrupted after the content left; the host may have the message"
    return replace(recipient, state=state, told=told, open=False, changed=now)


def word(recipients: Iterable[Recipient]) -> str:
    """What an attempt came to for all of them: the worst."""
    states = {recipient.state for recipient in recipients}
    for state in (State.FAILED, State.UNKNOWN):
        if state in states:
            return state.value
    return State.DELIVERED.value if states == {State.DELIVERED} else State.DEFERRED.value


def sentence(recipients: Iterable[Recipient]) -> str:
    """What became of each, for people."""
    return "; ".join(map(_said, recipients))


def _said(recipient: Recipient) -> str:
    told = f": {recipient.told}" if recipient.told else ""
    if recipient.state is State.DELIVERED:
        return f"{recipient.address}: delivered to {recipient.told}"
    return f"{recipient.address}: {recipient.state}{told}"


def _told(outcome: Outcome) -> str:
    match outcome:
        case Delivered(host, tls, reply):
            return f"{host} ({tls or 'no TLS'}): {reply}"
        case Deferred(reason) | Failed(reason):
            return reason


def _lasting(span: Span) -> str:
    hours = (span.now - span.queued) / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def time(moment: float) -> datetime:
    """Of what is on record, for people."""
    return datetime.fromtimestamp(moment, UTC)
