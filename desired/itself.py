"""What follows from a large value, had again while it is the same value."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Itself(Generic[T]):
    """A value that is equal to itself alone: to compare a large one is to read it all."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.value is other.value


def once(compute: Callable[[T], R]) -> Callable[[T], R]:
    """Compute it once for each of the last two values: a look, a decision and an apply ask for the
    same one after the other. The value must not change."""

    @lru_cache(maxsize=2)
    def known(it: _Itself[T]) -> R:
        return compute(it.value)

    @wraps(compute)
    def asked(value: T) -> R:
        return known(_Itself(value))

    return asked
