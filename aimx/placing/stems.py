"""Which stem a message gets: the base, or the base with the next free suffix."""

from __future__ import annotations

import os

_KEPT = 10_000  # Bases remembered a mailbox. A base holds its second, so old ones do not come back.


class Stems:
    """The names of one mailbox's directory. A stem is given out once, whatever becomes of it."""

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._last: dict[str, int] = {}  # By base: the highest number given out.

    def take(self, base: str) -> str:
        """A stem with which neither a message nor a bundle is on disk.

        It takes constant time, however many messages share the base; where the owner made names
        of this form himself, it takes logarithmic time and may leave some free ones out.
        """
        number = self._free(base, self._last.get(base, 0))
        if len(self._last) >= _KEPT and base not in self._last:
            del self._last[next(iter(self._last))]
        self._last[base] = number
        return _stem(base, number)

    def _free(self, base: str, taken: int) -> int:
        """A free number above one that is taken: double the distance, then halve it."""
        distance = 1
        while self._is_taken(_stem(base, taken + distance)):
            distance *= 2
        low, high = taken + distance // 2, taken + distance
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_taken(_stem(base, middle)):
                low = middle
            else:
                high = middle
        return high

    def _is_taken(self, stem: str) -> bool:
        for name in (f"{stem}.md", stem):
            try:
                os.stat(name, dir_fd=self._directory, follow_symlinks=False)
            except FileNotFoundError:
                continue
            return True
        return False


def _stem(base: str, number: int) -> str:
    return base if number == 1 else f"{base}-{number}"
