"""What follows from a large value, had again while it is the same value."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def once(compute: Callable[[T], R]) -> Callable[[T], R]:
    """Compute it once for each of the last two values: a look, a decision and an apply ask for the
    same one after the other. The value must not change.

    It is the same where it is the same object: to compare a large one is to read it all.
    """
    known: tuple[tuple[T, R], ...] = ()  # The last one first.

    @wraps(compute)
    def asked(value: T) -> R:
        nonlocal known
        for it, told in known:
            if it is value:
                return told
        told = compute(value)
        known = ((value, told), *known[:1])
        return told

    return asked
