"""How what is observed differs from what is desired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from desired.frozen import frozen

T = TypeVar("T")


@frozen
class Missing(Generic[T]):
    """Desired and not there."""

    name: str
    desired: T


@frozen
class Changed(Generic[T]):
    """There, and not as desired."""

    name: str
    desired: T
    observed: T


@frozen
class Surplus(Generic[T]):
    """There, ours, and no longer desired."""

    name: str
    observed: T


Difference: TypeAlias = Missing[T] | Changed[T] | Surplus[T]


def diff(desired: Mapping[str, T], observed: Mapping[str, T]) -> Iterator[Difference[T]]:
    """How the observed differs from the desired, in an order that does not vary."""
    if desired == observed:
        return
    for name in sorted(desired.keys() | observed.keys()):
        if name not in observed:
            yield Missing(name, desired[name])
        elif name not in desired:
            yield Surplus(name, observed[name])
        elif desired[name] != observed[name]:
            yield Changed(name, desired[name], observed[name])
