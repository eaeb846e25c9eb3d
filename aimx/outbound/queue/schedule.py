"""When a message that was deferred is tried again.

RFC 5321 4.5.4.1 asks for half an hour at least; hosts that greylist let a message in after some
minutes, so the first pauses are shorter, and each is twice the one before.
"""

from __future__ import annotations

from random import Random

FIRST = 60.0  # Seconds.
LONGEST = 3600.0
SOONEST = 60.0  # After an attempt, for whoever wants another one and does not run this server.
_SPREAD = 0.2  # So much shorter or longer, so that what failed together is not tried together.
# Seconds that no pause is longer than: whatever is due later became so by a clock that was ahead.
UTMOST = LONGEST * (1 + _SPREAD)


def pause(attempts: int, random: Random) -> float:
    """Seconds after so many attempts, one at least."""
    whole = min(FIRST * 2.0 ** min(attempts - 1, 16), LONGEST)
    return whole * random.uniform(1 - _SPREAD, 1 + _SPREAD)


def due(attempts: int, now: float, expires: float, random: Random) -> float | None:
    """When it is tried next; None where its time is over. The last attempt is when it expires."""
    if now >= expires:
        return None
    return min(now + pause(attempts, random), expires)
