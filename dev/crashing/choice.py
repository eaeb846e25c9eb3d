"""Which of many points are struck where there is no time for all."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from random import Random
from typing import TypeVar

T = TypeVar("T")

# Of a scenario, before the next is laid out, which takes as long as some strikes.
_SHARE = 1 / 60


def spread(points: Sequence[T], budget: int | None) -> list[T]:
    """So many of them, from the first to the last."""
    if budget is None or budget >= len(points):
        return list(points)
    step = len(points) / budget
    return [points[int(step * (number + 0.5))] for number in range(budget)]


def drawn(points: Sequence[T], chance: Random) -> list[T]:
    """A share of them at random: each point is as likely as one of a scenario with more."""
    return chance.sample(points, ceil(len(points) * _SHARE))
