"""Counter, gauge and histogram: numbers that a process keeps of its own work.

Each costs a fraction of a microsecond, knows no lock and no text. The values of its labels are
announced, so that no stranger decides how many numbers there are.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Literal, NamedTuple, TypeAlias

Number: TypeAlias = int | float
Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

OTHER = "other"  # In the place of a value that was not announced.


class Sample(NamedTuple):
    """One line of what a reader gets."""

    suffix: str  # Behind the metric's name.
    labels: tuple[tuple[str, str], ...]
    number: Number


class Metric:
    """A name, what it means, and one number for each combination of its labels' values."""

    kind: Kind
    __slots__ = ("_numbers", "help", "labels", "name")

    def __init__(self, name: str, help: str, **labels: Sequence[str]) -> None:
        self.name = name
        self.help = help
        self.labels = {label: tuple(values) for label, values in labels.items()}
        others = (OTHER,) * len(labels)
        # The last one is for all that was not announced.
        self._numbers: dict[tuple[str, ...], Number] = dict.fromkeys(
            (*product(*labels.values()), others), 0
        )

    def __len__(self) -> int:
        return len(self._numbers)

    def read(self) -> tuple[Number, ...]:
        """All numbers, in an order that is the same in every process."""
        return tuple(self._numbers.values())

    def samples(self, numbers: Sequence[Number]) -> Iterator[Sample]:
        """What a reader gets of these; of what was not announced only where there is any."""
        for values, number in zip(self._numbers, numbers, strict=True):
            if number or not values or values[0] != OTHER:
                yield Sample("", tuple(zip(self.labels, values, strict=True)), number)


class Counter(Metric):
    """What has happened since the process began; never less than before."""

    kind = "counter"
    __slots__ = ()

    def count(self, *values: str, by: Number = 1) -> None:
        """Once more, or so much more, for these values of the labels."""
        try:
            self._numbers[values] += by
        except KeyError:
            self._numbers[(OTHER,) * len(self.labels)] += by


class Gauge(Metric):
    """What is so now."""

    kind = "gauge"
    __slots__ = ()

    def set(self, number: Number, *values: str) -> None:
        """Of these values, also where they were not announced: no stranger sets a gauge."""
        self._numbers[values] = number


class Histogram(Metric):
    """How often something was at most so large, and all of it together."""

    kind = "histogram"
    __slots__ = ("_counts", "_sum", "bounds")

    def __init__(self, name: str, help: str, bounds: Sequence[Number]) -> None:
        super().__init__(name, help)
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self._sum: Number = 0

    def observe(self, number: Number) -> None:
        self._counts[bisect_left(self.bounds, number)] += 1
        self._sum += number

    def __len__(self) -> int:
        return len(self._counts) + 1

    def read(self) -> tuple[Number, ...]:
        """How many fell between two bounds, and the sum."""
        return (*self._counts, self._sum)

    def samples(self, numbers: Sequence[Number]) -> Iterator[Sample]:
        *counts, total = numbers
        so_far = 0
        for bound, count in zip(chain(self.bounds, (math.inf,)), counts, strict=True):
            so_far += int(count)
            yield Sample("_bucket", (("le", written(bound)),), so_far)
        yield Sample("_sum", (), total)
        yield Sample("_count", (), so_far)


Readings: TypeAlias = Mapping[str, tuple[Number, ...]]


def written(number: Number) -> str:
    """A number as Prometheus reads it."""
    if number == math.inf:
        return "+Inf"
    return str(number) if isinstance(number, int) else repr(number)
