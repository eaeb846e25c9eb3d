"""What is said again and again, from message to message, is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

Said = TypeVar("Said", bytes, str)
T = TypeVar("T")

_KEPT = 512  # Answers of each function.
_SHORT = 512  # Octets, or characters, of what is asked: strangers choose how long that is.


def remembered(read: Callable[[Said], T]) -> Callable[[Said], T]:
    """`read`, which must say the same each time, and nothing that can be changed."""
    kept = lru_cache(_KEPT)(read)

    def recalled(said: Said) -> T:
        return kept(said) if len(said) <= _SHORT else read(said)

    return recalled
