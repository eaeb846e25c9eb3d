"""Who hears that the loop goes round."""

from __future__ import annotations

import math
from collections.abc import Callable

from desired.frozen import frozen


@frozen
class Pulse:
    """Whom a watchdog makes wait, and for how long."""

    every: float = math.inf  # A turn is made at least so often, in seconds.
    beat: Callable[[], None] = lambda: None  # A turn, or a step of an apply, has come to its end.
    # A turn has ended, and nothing new has been hinted at.
    settled: Callable[[], None] = lambda: None
