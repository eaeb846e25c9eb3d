"""Which code this is: what one program found good, another may not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec

_OURS = ("aimx", "desired", "reconcilers")


@cache
def program(*packages: str) -> str:
    """A digest of the packages' files: of all of ours, and of when another's was installed."""
    told = (f"{name} {seen.st_size} {seen.st_mtime_ns}" for name, seen in sorted(_files(packages)))
    return sha256("\n".join((sys.version, *told)).encode()).hexdigest()


def _files(packages: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    for package in packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        ours = package.partition(".")[0] in _OURS
        for entry in os.scandir(os.path.dirname(spec.origin)):
            if entry.name.endswith(".py") and (ours or entry.name == "__init__.py"):
                yield f"{package}/{entry.name}", entry.stat()
