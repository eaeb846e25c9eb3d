"""Sources in, what they desire out: or everything that is wrong with them, at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from desired.desired import Desired
from desired.frozen import field, frozen
from desired.problem import Problem, Source


@frozen
class Reading:
    """What the manifest says, and what its author should know about it."""

    desired: Desired
    warnings: tuple[Problem, ...] = ()
    # Who was looked up, and whether there is such a user: what else it depends on than its files.
    owners: Mapping[str, bool] = field(default_factory=dict, compare=False)


def read(
    sources: Sequence[Source], *, owner_exists: Callable[[str], bool] | None = None
) -> Reading:
    """The manifest and its fragments, in this order, as one desired state.

    Raises `ManifestError` with every problem, warnings included. Without `owner_exists` no owner
    is looked up.
    """
    # Importing the schema takes longer than looking at ten thousand mailboxes.
    from desired.understanding import understand

    owners: dict[str, bool] = {}

    def exists(name: str) -> bool:
        return owners.setdefault(name, owner_exists is None or owner_exists(name))

    with _uncollected():
        desired, warnings = understand(sources, owner_exists and exists)
        return Reading(desired, warnings, owners)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic collector, which would walk every table many times and find no cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
