"""Why something could not be placed, as the worker gets it told."""

from __future__ import annotations

import errno

from aimx.channel.placing import Outcome

# What the kernel says where a directory's name leads to none, or to something else.
_AWAY = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class PlacingError(Exception):
    """Nothing of the message is visible, and a later try may succeed."""

    def __init__(self, reason: str, outcome: Outcome = Outcome.FAILED) -> None:
        super().__init__(reason)
        self.outcome = outcome


def translated(failure: OSError, doing: str) -> PlacingError:
    """What a system call's refusal means for the message."""
    if failure.errno == errno.EDQUOT:
        return PlacingError("the quota of the mailbox's owner is exceeded", Outcome.FULL)
    return PlacingError(f"{doing}: {failure.strerror or failure}")


def unreachable(failure: OSError, mailbox: str) -> PlacingError:
    """What it means that a mailbox's directory cannot be opened."""
    found = translated(failure, f"the mailbox {mailbox}")
    return PlacingError(str(found), Outcome.AWAY) if is_away(failure) else found


def is_away(failure: OSError) -> bool:
    """Whether it says that nothing is there. Who is told so does not come again."""
    return failure.errno in _AWAY
