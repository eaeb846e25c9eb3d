"""An apply in this process that somebody waits for: told while it runs, stopped in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType

from aimx.cli import terminal
from aimx.cli.events import Events
from aimx.controller.terms import Watched
from reconcilers.receipt import Receipt
from reconcilers.report.progress import progress_line
from reconcilers.step import Step

_STOPPING = (signal.SIGINT, signal.SIGTERM)
# What is over sooner needs no progress, and nobody reads faster.
_PATIENCE, _PACE = 1.0, 0.1  # Seconds.


@contextmanager
def attended(parallelism: int = 0, events: Events | None = None) -> Iterator[Watched]:
    """Ctrl-C and SIGTERM let the step in hand end, and start no other. The second kills."""
    stopping: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)
        for each in _STOPPING:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    progress = _Progress()
    try:
        tell = events.finished if events else progress.tell
        started = events.started if events else _ignored
        yield Watched(lambda: bool(stopping), tell, started, parallelism)
    finally:
        progress.end()
        for number, answer in before.items():
            signal.signal(number, answer)


def _ignored(step: Step) -> None:
    pass


@dataclass(slots=True)
class _Progress:
    """One line that is written over, on a terminal."""

    _next: float = field(default_factory=lambda: monotonic() + _PATIENCE)
    _shown: bool = False

    def tell(self, receipt: Receipt, number: int, steps: int) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + _PACE
            self._shown = terminal.overwrite(progress_line(receipt, number, steps))

    def end(self) -> None:
        if self._shown:
            terminal.overwrite("")
