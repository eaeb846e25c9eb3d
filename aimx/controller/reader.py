"""The manifest as it was understood last, for as long as it would be understood the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from desired.manifest import Reading, read
from desired.problem import Source


@dataclass(frozen=True, slots=True)
class _Understood:
    """What sources say, and which of the owners that they name existed."""

    reading: Reading
    owners: Mapping[str, bool]

    def still(self, sources: tuple[Source, ...], exists: Callable[[str], bool]) -> bool:
        return self.reading.desired.sources == sources and all(
            exists(owner) == before for owner, before in self.owners.items()
        )


class Reader:
    """Reads sources, and does not read the same ones twice: ten thousand mailboxes take a while."""

    def __init__(self) -> None:
        self._last: _Understood | None = None

    def read(self, sources: tuple[Source, ...], exists: Callable[[str], bool]) -> Reading:
        """What they desire; raises `ManifestError` with everything that is wrong."""
        last = self._last
        if last is not None and last.still(sources, exists):
            return last.reading
        owners: dict[str, bool] = {}
        reading = read(sources, owner_exists=lambda name: owners.setdefault(name, exists(name)))
        self._last = _Understood(reading, owners)
        return reading
