"""How long to wait before the next try: longer each time, never in step with others."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST = 1.0  # Seconds.
LONGEST = 300.0


def backoff(failures: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds after so many failures in a row: doubling, half of it by chance."""
    whole = min(FIRST * 2.0 ** (min(failures, 16) - 1), LONGEST)
    return whole * (0.5 + chance() / 2)
