"""What is left of root in a process that needs little of it (capabilities(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection

_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
# CHOWN, DAC_OVERRIDE, FOWNER, LEASE.
PLACING = (0, 1, 3, 28)
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID; and KILL, SETGID, SETUID for who counts unread messages.
PLANNING = (0, 1, 3, 4, 5, 6, 7)
_HEADER, _SETS = struct.Struct("=Ii"), struct.Struct("=6I")


def keep(kept: Collection[int]) -> None:
    """Give up every other capability, for good. Without root there is nothing to give up."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last:
        for capability in range(int(last.read()) + 1):
            if capability not in kept:
                # Refused where the set is already out of our hands, as in some containers.
                libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = _HEADER.pack(_VERSION_3, 0)
    # Effective, permitted and inheritable: the lower 32 bits of each, then the upper.
    sets = ctypes.create_string_buffer(_SETS.size)
    _check(libc.capget(header, sets), "capget")
    permitted = _SETS.unpack(sets.raw)[1]
    # A container may have been given less; what we then lack, we find out and go without.
    left = permitted & sum(1 << capability for capability in kept)
    _check(libc.capset(header, _SETS.pack(left, left, 0, 0, 0, 0)), "capset")


def _check(outcome: int, call: str) -> None:
    if outcome != 0:
        failure = ctypes.get_errno()
        raise OSError(failure, f"{call}: {os.strerror(failure)}")
