"""The exit codes, in one table: they are an interface that scripts rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command's end says."""

    DONE = 0  # Done, or nothing to do.
    ERROR = 1
    PENDING = 2  # Changes are pending; only with --detailed-exitcode.
    STALE = 3  # The machine or the manifest is not what the plan was made from.
    REFUSED = 4  # A safety rule refuses, or nobody can give the confirmation.
    PARTIAL = 5  # Applied in part; the rest is listed.
    LOCKED = 6  # Somebody else is applying.
    POLICY = 7
    INVALID = 8  # The manifest is invalid.
    NOT_CONVERGED = 9
    USAGE = 64  # The command line makes no sense. argparse's own 2 would read as PENDING.
    NO_DAEMON = 2
