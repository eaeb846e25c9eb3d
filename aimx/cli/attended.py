"""An apply in this process that somebody waits for: told while it runs, stopped in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from aimx.controller.watched import Watched
from aimx.doors.events import Tell, unheard

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def attended(parallelism: int = 0, tell: Tell = unheard) -> Iterator[Watched]:
    """Ctrl-C and SIGTERM let the step in hand end, and start no other. The second kills."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)
        for each in _STOPPING:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield _watched(tell, parallelism, lambda: bool(stopping))
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _watched(tell: Tell, parallelism: int, stop: Callable[[], bool]) -> Watched:
    if tell is unheard:
        return Watched(stop, parallelism=parallelism)
    from aimx.doors.following import followed  # Without a terminal nobody follows.

    return followed(tell, parallelism, stop)
