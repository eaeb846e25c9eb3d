"""What happens in an apply as data, one event each: for a reader of lines, or at the socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from aimx.controller.watched import Begun
    from reconcilers.receipt import Receipt

FORMAT, FORMAT_VERSION = "aimx.event", "1.0"
# How a line of the socket begins that is one, and no reply.
LINE = b"AIMX/1 EVENT "

Event: TypeAlias = Mapping[str, Any]
# Whoever follows; never waits and never raises, since an apply must not wait for a reader.
Tell: TypeAlias = Callable[[Event], None]


def unheard(event: Event) -> None:
    """Nobody follows."""


def event(kind: str, **members: Any) -> Event:
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "type": kind, **members}


def started(begun: Begun) -> Event:
    """A step is taken now."""
    return event(
        "step-started",
        step=begun.step,
        address=begun.address,
        phase=begun.phase,
        does=begun.does,
    )


def finished(receipt: Receipt, number: int, steps: int) -> Event:
    """What became of a step, which of how many it is."""
    return event(
        "step-finished",
        step=receipt.step,
        address=receipt.address,
        outcome=str(receipt.outcome),
        reason=receipt.reason,
        number=number,
        steps=steps,
    )
