"""A pin that goes with an apply: written before its first step, taken back where it is in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from desired.frozen import mutable
from reconcilers import intents
from reconcilers.host.host import Host, ReconcileError
from reconcilers.intents import Damaged, Pin
from reconcilers.roots import Roots


@mutable
class Pinning:
    """How it went with the pin, once the apply is over."""

    trouble: str = ""  # Why it could not be taken back.


@contextmanager
def pinning(
    host: Host, roots: Roots, pin: Pin | None, reached: Callable[[], bool]
) -> Iterator[Pinning]:
    """Go by the pin from now on, unless in the end the engine config is not `reached`.

    Raises `ReconcileError` where it cannot be written, and only before the block: what a block
    did is told, whatever becomes of the pin.
    """
    ended = Pinning()
    if pin is None:
        yield ended
        return
    before = intents.load(host, roots, host.now()).pin
    try:
        intents.keep_pin(host, roots, pin)
    except ReconcileError:
        # It may be there although its directory could not be synced.
        with suppress(ReconcileError):
            _take_back(host, roots, before)
        raise
    yield ended
    if reached():
        return
    try:
        _take_back(host, roots, before)
    except ReconcileError as cause:
        ended.trouble = (
            f"generation {pin.generation} is still pinned, though the engine goes on as before:"
            f" {cause} `aimx resume` lifts the pin."
        )


def _take_back(host: Host, roots: Roots, before: Pin | Damaged | None) -> None:
    if before is None:
        intents.end(host, roots.pin)
    elif isinstance(before, Pin):
        intents.keep_pin(host, roots, before)
