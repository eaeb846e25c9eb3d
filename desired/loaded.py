"""What an engine config says, read but once: of a large one that takes as long as a plan."""

from __future__ import annotations

from functools import lru_cache

from desired.desired import Desired
from desired.manifest import read
from desired.problem import Source


# What the engine runs on, and what it is about to.
@lru_cache(maxsize=2)
def loaded(name: str, raw: bytes) -> Desired:
    """The file's meaning; raises `ManifestError`."""
    return read([Source(name, raw)]).desired
