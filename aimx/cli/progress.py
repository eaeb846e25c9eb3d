"""How far an apply is, for whoever watches a terminal: one line, written over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from aimx.cli import terminal
from aimx.doors.events import Event, Tell
from desired.frozen import field, mutable

if TYPE_CHECKING:
    from threading import Event as Flag
    from threading import Lock

# What is over sooner needs no progress, and nobody reads faster.
_PATIENCE, _PACE = 1.0, 0.1  # Seconds.
_LONG = 2.0  # Seconds after which a step says for how long it has been at it.


def _lock() -> Lock:
    from threading import Lock  # Most commands have no terminal to paint on.

    return Lock()


@mutable
class Progress:
    """What the events told so far, as a line."""

    _counted: str = ""  # How many steps are done of how many, once one is.
    _last: str = ""  # What ended last.
    _under_way: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=_lock)

    def hear(self, event: Event) -> None:
        with self._lock:
            match event["type"]:
                case "step-started":
                    self._under_way[event["step"]] = event["does"], monotonic()
                case "step-finished":
                    self._under_way.pop(event["step"], None)
                    self._counted = f"[{event['number']}/{event['steps']}] "
                    self._last = f"{event['outcome']} {event['address']}"
                case _:
                    pass

    def line(self, columns: int) -> str:
        """What takes longest now, else what ended last; never wider than this."""
        with self._lock:
            does, since = next(iter(self._under_way.values()), (self._last, monotonic()))
            seconds = monotonic() - since
            tail = f" ({seconds:.0f}s)" if seconds >= _LONG else ""
            shown = terminal.plain(f"{self._counted}{does}")
        return terminal.shortened(shown, columns - len(tail)) + tail


@contextmanager
def progress() -> Iterator[Tell | None]:
    """Whom to tell of steps; None where nobody would see it."""
    if not terminal.can_overwrite():
        yield None
        return
    from threading import Event as Flag
    from threading import Thread

    seen, over = Progress(), Flag()
    # A step that takes long is told of meanwhile, so whoever paints must not be who waits for it.
    painter = Thread(target=_paint, args=(seen, over), daemon=True)
    painter.start()
    try:
        yield seen.hear
    finally:
        over.set()
        painter.join()


def _paint(seen: Progress, over: Flag) -> None:
    wait, shown = _PATIENCE, ""
    while not over.wait(wait):
        wait, line = _PACE, seen.line(terminal.width())
        if line != shown:
            terminal.overwrite(line)
            shown = line
    if shown:
        terminal.overwrite("")
