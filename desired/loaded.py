"""What an engine config says, read but once: of a large one that takes as long as a plan."""

from __future__ import annotations

from collections import deque

from desired.amended import amended
from desired.desired import Desired
from desired.frozen import replace
from desired.manifest import Reading, read
from desired.problem import Source, digest

# What the engine runs on, and what it is about to.
_known: deque[Reading] = deque(maxlen=2)


def loaded(name: str, raw: bytes) -> Desired:
    """The file's meaning; raises `ManifestError`."""
    known = [_called(name, reading) for reading in tuple(_known)]
    for reading in known:
        if reading.desired.sources[0].raw == raw:
            return reading.desired
    sources = (Source(name, raw),)
    amendments = (amended(reading, sources) for reading in reversed(known))
    made = next(filter(None, amendments), None) or read(sources)
    _known.append(made)
    return made.desired


def known(name: str, raw: bytes, desired: Desired) -> None:
    """That a file says this, which somebody found out without reading it."""
    sources = (Source(name, raw),)
    _known.append(Reading(replace(desired, digest=digest(sources), sources=sources)))


def _called(name: str, reading: Reading) -> Reading:
    """The reading of the same octets under another name."""
    (source,) = reading.desired.sources
    if source.name == name:
        return reading
    desired = replace(reading.desired, sources=(replace(source, name=name),))
    return replace(reading, desired=desired)
