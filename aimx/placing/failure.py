"""Why something could not be placed, as the worker gets it told."""

from __future__ import annotations

import errno


class PlacingError(Exception):
    """Nothing of the message is visible, and a later try may succeed.

    `full`: the quota of the mailbox's owner is exceeded.
    """

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


def translated(failure: OSError, doing: str) -> PlacingError:
    """What a system call's refusal means for the message."""
    if failure.errno == errno.EDQUOT:
        return PlacingError("the quota of the mailbox's owner is exceeded", full=True)
    return PlacingError(f"{doing}: {failure.strerror or failure}")
