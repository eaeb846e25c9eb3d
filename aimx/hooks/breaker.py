"""The loop breaker: how often one peer may fire a hook in one thread.

Two agents that answer each other would go on for ever, each waking the other in the same thread.
"""

from __future__ import annotations

from collections import OrderedDict

_WINDOW_SECONDS = 3600.0
_MOST_THREADS = 10_000  # Remembered; the one that was quiet for longest is forgotten first.


class Breaker:
    """Remembers the firings of the last hour, in memory: a restart forgets them."""

    def __init__(self) -> None:
        # Nearly all are of one firing or two, for which a deque has ten times the room.
        self._fired: OrderedDict[tuple[str, str, str], list[float]] = OrderedDict()

    def admits(self, hook: str, thread: str, peer: str, most: int, now: float) -> bool:
        """Whether it may fire once more; if so that is counted. `now` is in seconds."""
        key = (hook, thread, peer.lower())
        fired = [at for at in self._fired.get(key, ()) if at > now - _WINDOW_SECONDS]
        admitted = len(fired) < most
        self._fired[key] = [*fired, now] if admitted else fired
        self._fired.move_to_end(key)
        if len(self._fired) > _MOST_THREADS:
            self._fired.popitem(last=False)
        return admitted
