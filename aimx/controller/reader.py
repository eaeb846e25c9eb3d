"""The manifest as it was understood last, for as long as it would be understood the same."""

from __future__ import annotations

from collections.abc import Callable

from desired.manifest import Reading, read
from desired.problem import Source


class Reader:
    """Reads sources, and does not read the same ones twice: ten thousand mailboxes take a while."""

    def __init__(self) -> None:
        self._last: Reading | None = None

    def read(
        self,
        sources: tuple[Source, ...],
        exists: Callable[[str], bool],
        recall: Callable[[], Reading | None] = lambda: None,
    ) -> Reading:
        """What they desire; raises `ManifestError` with everything that is wrong.

        `recall` gives it where somebody else has understood the same before.
        """
        if self._last is None or not _still(self._last, sources, exists):
            self._last = recall() or read(sources, owner_exists=exists)
        return self._last


def _still(last: Reading, sources: tuple[Source, ...], exists: Callable[[str], bool]) -> bool:
    return last.desired.sources == sources and all(
        exists(owner) == before for owner, before in last.owners.items()
    )
