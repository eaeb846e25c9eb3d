"""The queue as documents, for whoever asks: a list, and one message in full."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from aimx.mail.dates import rfc3339
from aimx.outbound.queue.recipient import Recipient
from aimx.outbound.queue.rows import LONGEST_DETAILS, MOST_EVENTS, Event, Message
from aimx.outbound.queue.states import WAITING, State

VERSION = "1.0"
_ROOM = 224 * 1024  # Octets of a document: it travels in one packet.
_SHORTER = (LONGEST_DETAILS, 100, 25)  # For a message whose hosts had much to say: what fits.
# Each message of a list is as the first of these that a recipient of it is.
_ORDER = (
    State.LEAVING,
    State.QUEUED,
    State.DEFERRED,
    State.HELD,
    State.UNKNOWN,
    State.FAILED,
    State.CANCELLED,
    State.DELIVERED,
)


def listed(messages: Sequence[Message], more: int = 0) -> dict[str, Any]:
    """As many as there is room for; `more` are not even among them."""
    rows: list[dict[str, Any]] = []
    room = _ROOM
    for message in messages:
        row = _row(message)
        room -= _octets(row)
        if room < 0:
            break
        rows.append(row)
    left = len(messages) - len(rows) + more
    return {"format": "aimx.queue", "format_version": VERSION, "messages": rows, "more": left}


def shown(message: Message, events: Iterable[Event]) -> dict[str, Any]:
    """One message with its recipients, and what was tried."""
    last = list(events)[-MOST_EVENTS:]
    versions = (_shown(message, last, longest) for longest in _SHORTER)
    return next(it for it in versions if _octets(it) <= _ROOM)


def _shown(message: Message, events: Sequence[Event], longest: int) -> dict[str, Any]:
    return {
        "format": "aimx.queued",
        "format_version": VERSION,
        **_head(message),
        "closed_at": _time(message.closed),
        "sent_copy": message.stem.removeprefix("-"),
        "recipients": [_recipient(each, longest, message) for each in message.recipients],
        "history": [
            {
                "at": _time(event.at),
                "destination": event.destination,
                "status": event.status,
                "details": event.details[:longest],
            }
            for event in events
        ],
    }


def retried(number: int) -> dict[str, Any]:
    """How many messages are tried now."""
    return {"format": "aimx.retried", "format_version": VERSION, "messages": number}


def state(recipients: Iterable[Recipient]) -> State:
    found = {each.state for each in recipients}
    return next(each for each in _ORDER if each in found)


def _head(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "state": state(message.recipients).value,
        "from": message.author,
        "message_id": message.message_id,
        "subject": message.subject[:LONGEST_DETAILS],
        "size_bytes": message.size,
        "queued_at": _time(message.queued),
        "next_attempt_at": _next(message.recipients, message.held_until),
    }


def _row(message: Message) -> dict[str, Any]:
    states = Counter(each.state.value for each in message.recipients)
    left = [each for each in message.recipients if each.state is not State.DELIVERED]
    told = [each for each in left if each.told]
    return {
        **_head(message),
        "recipients": len(message.recipients),
        "states": dict(states),
        "to": (left or message.recipients)[0].address,
        "reason": told[0].told[:LONGEST_DETAILS] if told else "",
    }


def _recipient(each: Recipient, longest: int, message: Message) -> dict[str, Any]:
    return {
        "address": each.address,
        "destination": each.destination,
        "state": each.state.value,
        "attempts": each.attempts,
        "changed_at": _time(each.changed),
        "next_attempt_at": _next((each,), message.held_until),
        "told": each.told[:longest],
    }


def _octets(document: Any) -> int:
    """As it travels: JSON within JSON, of which all is ASCII."""
    return len(json.dumps(json.dumps(document, ensure_ascii=False)))


def _next(recipients: Collection[Recipient], held_until: float | None) -> str:
    due = [each.due for each in recipients if each.state in WAITING]
    if held_until is not None and any(each.state is State.HELD for each in recipients):
        due.append(held_until)
    return _time(min(due)) if due else ""


def _time(moment: float | None) -> str:
    return "" if moment is None else rfc3339(datetime.fromtimestamp(moment, UTC))
