"""The manifest as it was understood last, for as long as it would be understood the same."""

from __future__ import annotations

from collections.abc import Callable

from desired.amended import amended
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
        last = self._last
        if last is not None and not _still(last, exists):
            last = None
        if last is None or last.desired.sources != sources:
            last = last and amended(last, sources, exists)
            last = last or recall() or read(sources, owner_exists=exists)
        self._last = last
        return last


def _still(last: Reading, exists: Callable[[str], bool]) -> bool:
    """Whether the same users are there as when it was read."""
    return all(exists(owner) == before for owner, before in last.owners.items())
