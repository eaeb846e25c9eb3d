"""Sending under an idempotency key: once, or an honest word about the time before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from aimx.outbound.keys import (
    LONGEST_KEY,
    CallersKey,
    Found,
    KeyBook,
    Settled,
    Standing,
    UnrecordedError,
)
from aimx.outbound.outcome import Sent
from aimx.outbound.refusal import Code, NotSent

_STANDING = {
    Standing.UNDER_WAY: NotSent(Code.TEMP, "a message with this Idempotency-Key is being sent"),
    Standing.UNKNOWN: NotSent(
        Code.DELIVERY,
        "unknown: sending under this Idempotency-Key was interrupted, and the message may have"
        " gone out; it is not sent again",
    ),
}
TOO_LONG = NotSent(Code.MALFORMED, f"an Idempotency-Key has at most {LONGEST_KEY} characters")
UNWRITABLE = NotSent(Code.TEMP, "the Idempotency-Key cannot be recorded; nothing was sent")

log = structlog.get_logger()


async def once(
    keys: KeyBook, key: CallersKey, now: datetime, send: Callable[[], Awaitable[Sent | NotSent]]
) -> Sent | NotSent:
    """Send, unless that was done, or may have been done, under this key before.

    Where the key cannot be recorded nothing is sent.
    """
    if len(key.text) > LONGEST_KEY:
        return TOO_LONG
    try:
        found = await keys.begin(key, now)
    except UnrecordedError as cause:
        log.error("idempotency key not recorded", reason=str(cause))
        return UNWRITABLE
    return await _fresh(keys, key, send) if found is Standing.FRESH else known(found)


def known(found: Found) -> Sent | NotSent:
    """What whoever hands in a key again is told."""
    match found:
        case Settled("", message_id, queued):
            return Sent(message_id, queued)
        case Settled(code, reason) if code in tuple(Code):
            return NotSent(Code(code), reason)
        case Settled():  # An octet of what was written down is another.
            return _STANDING[Standing.UNKNOWN]
        case standing:
            return _STANDING[standing]


async def _fresh(
    keys: KeyBook, key: CallersKey, send: Callable[[], Awaitable[Sent | NotSent]]
) -> Sent | NotSent:
    try:
        outcome = await send()
        match outcome:
            case Sent(message_id):
                await keys.settle(key, Settled("", message_id))
            case NotSent(Code.TEMP | Code.SIGN | Code.EACCES):
                await keys.release(key)
            case NotSent(code, reason):
                await keys.settle(key, Settled(code.value, reason))
    except BaseException:
        await keys.doubt(key)
        raise
    return outcome
