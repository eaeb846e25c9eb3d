"""What all processes have counted together, those that are gone among them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import add

from aimx.metrics.kinds import Gauge, Metric, Number, Readings


class UnlikelyError(ValueError):
    """A process says what no process of ours can have counted."""


class Totals:
    """A counter never goes back because a process ended: what it said last stays in the sum."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._running: dict[str, Readings] = {}
        self._ended: dict[str, tuple[Number, ...]] = {}

    def told(self, process: str, readings: Readings) -> None:
        """What a process has counted since it began; raises `UnlikelyError`."""
        before = self._running.get(process, {})
        for name, numbers in readings.items():
            self._check(name, numbers, before)
        self._running[process] = readings

    def ended(self, process: str) -> None:
        """Of what it counted we know what it said last; what is so now is so no more."""
        for name, numbers in self._running.pop(process, {}).items():
            if not isinstance(self._metrics[name], Gauge):
                self._ended[name] = _together(self._ended.get(name), numbers)

    def sums(self, ours: Readings) -> Mapping[str, tuple[Number, ...]]:
        """Of every metric, with what this process has counted itself."""
        found: dict[str, tuple[Number, ...]] = dict(self._ended)
        for readings in (*self._running.values(), ours):
            for name, numbers in readings.items():
                found[name] = _together(found.get(name), numbers)
        return {name: found.get(name, (0,) * len(each)) for name, each in self._metrics.items()}

    def _check(self, name: str, numbers: Sequence[Number], before: Readings) -> None:
        metric = self._metrics.get(name)
        if metric is None or len(metric) != len(numbers):
            raise UnlikelyError("a process tells of a metric that is none of ours")
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise UnlikelyError(f"a process has counted {name} below zero, or without end")
        if isinstance(metric, Gauge) or name not in before:
            return
        if any(now < then for now, then in zip(numbers, before[name], strict=True)):
            raise UnlikelyError(f"a process has counted {name} backwards")


def _together(some: tuple[Number, ...] | None, more: tuple[Number, ...]) -> tuple[Number, ...]:
    return more if some is None else tuple(map(add, some, more))


def readings(metrics: Sequence[Metric]) -> Readings:
    """What this process has counted; what it never counts is left out."""
    found = ((metric.name, metric.read()) for metric in metrics)
    return {name: numbers for name, numbers in found if any(numbers)}
