"""Where a recipient of a queued message stands, and what makes that another.

                 leaving                    answered
queued ──────┬──────────► leaving ──────┬──────────► delivered, failed
  ▲ released │               │          │ not now
held ◄───────┤ held          │ silence  ▼
             │               ▼        deferred, and again
          cancelled       unknown, until a person decides
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from aimx.outbound.outcome import Deferred, Delivered, Failed, Outcome


class State(StrEnum):
    """Of one recipient."""

    QUEUED = "queued"  # It was not tried yet.
    DEFERRED = "deferred"  # It was tried, and will be again.
    LEAVING = "leaving"  # The content goes to a host, which has not answered.
    HELD = "held"  # A person wants it to wait.
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"  # A host may have it. It is not tried again unless a person says so.
    CANCELLED = "cancelled"


class Halt(StrEnum):
    """What a person wants of a message, for recipients whose content is leaving just then too."""

    NOT = ""
    HELD = "held"
    CANCELLED = "cancelled"


WAITING = frozenset({State.QUEUED, State.DEFERRED})
# Something will become of these by themselves, or once a person lets it.
OPEN = WAITING | {State.LEAVING, State.HELD}

_WAITS_AS = {
    Halt.NOT: State.DEFERRED,
    Halt.HELD: State.HELD,
    Halt.CANCELLED: State.CANCELLED,
}
# What all recipients together are told as: the first of these that one of them is.
_WORST = (
    State.FAILED,
    State.UNKNOWN,
    State.DEFERRED,
    State.QUEUED,
    State.LEAVING,
    State.HELD,
    State.CANCELLED,
    State.DELIVERED,
)
# In the words of a sent copy.
_STATUS = {State.QUEUED: "pending", State.LEAVING: "pending", State.HELD: "pending"}


def after(state: State, outcome: Outcome, halt: Halt) -> State:
    """What a recipient becomes by the outcome of an attempt. What was delivered stays so."""
    match outcome:
        case _ if state in (State.DELIVERED, State.FAILED, State.UNKNOWN):
            return state
        case Delivered():
            return State.DELIVERED
        case Deferred(unanswered=True) if state is State.LEAVING:
            return State.UNKNOWN
        case _ if state is State.CANCELLED:
            return state
        case Failed():
            return State.FAILED
        case Deferred():
            return _WAITS_AS[halt]


def interrupted(state: State) -> State:
    """What a recipient is for whoever finds the queue after a crash."""
    return State.UNKNOWN if state is State.LEAVING else state


def halted(state: State, halt: Halt) -> State:
    """What a recipient becomes when a person holds or cancels the message."""
    if halt is Halt.NOT or state not in WAITING | {State.HELD}:
        return state
    return _WAITS_AS[halt]


def resumed(state: State, attempts: int, *, doubtful: bool = False) -> State:
    """What a recipient becomes when a person wants it tried; who is in doubt only if that is told:
    the message may reach them twice."""
    if state is State.HELD or (doubtful and state is State.UNKNOWN):
        return State.DEFERRED if attempts else State.QUEUED
    return state


def status(states: Iterable[State]) -> str:
    """All recipients as one, in the words of a sent copy: the worst of them."""
    found = set(states)
    worst = next(state for state in _WORST if state in found)
    return _STATUS.get(worst, worst.value)
