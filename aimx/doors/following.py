"""An apply that somebody follows: each step is told as it begins and as it ends."""

from __future__ import annotations

from collections.abc import Callable

from aimx.controller.watched import UNWATCHED, Begun, Watched
from aimx.doors.events import Tell, finished, started, unheard
from reconcilers.receipt import Receipt


def followed(
    tell: Tell, parallelism: int = 0, stop: Callable[[], bool] = UNWATCHED.stop
) -> Watched:
    """Whoever applies tells each step, if anybody wants to hear of it."""
    if tell is unheard:
        return Watched(stop, parallelism=parallelism)

    def begun(step: Begun) -> None:
        tell(started(step))

    def ended(receipt: Receipt, number: int, steps: int) -> None:
        tell(finished(receipt, number, steps))

    return Watched(stop, ended, begun, parallelism)
