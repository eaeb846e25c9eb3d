"""Who watches an apply: may end it before any step, and is told of each."""

from __future__ import annotations

from collections.abc import Callable

from desired.frozen import frozen
from reconcilers.receipt import Receipt


@frozen
class Begun:
    """A step that is taken now, as it is told."""

    step: str  # Its id.
    address: str
    phase: str
    does: str


@frozen
class Watched:
    """Whether to go on, asked before each step, and whom to tell of each."""

    stop: Callable[[], bool] = lambda: False
    # What became of a step, which of how many it is.
    progress: Callable[[Receipt, int, int], None] = lambda receipt, number, steps: None
    started: Callable[[Begun], None] = lambda begun: None
    parallelism: int = 0  # How many steps at a time; 0: as suits the machine.


UNWATCHED = Watched()
