"""What is left of root: the placer's four capabilities (capabilities(7))."""

from __future__ import annotations

import ctypes
import os
import struct

_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
# CHOWN, DAC_OVERRIDE, FOWNER, LEASE.
_KEPT = (0, 1, 3, 28)
_HEADER, _SETS = struct.Struct("=Ii"), struct.Struct("=6I")


def keep_what_placing_needs() -> None:
    """Give up every other capability, for good. Without root there is nothing to give up."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last:
        for capability in range(int(last.read()) + 1):
            if capability not in _KEPT:
                # Refused where the set is already out of our hands, as in some containers.
                libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = _HEADER.pack(_VERSION_3, 0)
    # Effective, permitted and inheritable: the lower 32 bits of each, then the upper.
    sets = ctypes.create_string_buffer(_SETS.size)
    _check(libc.capget(header, sets), "capget")
    permitted = _SETS.unpack(sets.raw)[1]
    # A container may have been given less; what placing then lacks, it finds out and goes without.
    kept = permitted & sum(1 << capability for capability in _KEPT)
    _check(libc.capset(header, _SETS.pack(kept, kept, 0, 0, 0, 0)), "capset")


def _check(outcome: int, call: str) -> None:
    if outcome != 0:
        failure = ctypes.get_errno()
        raise OSError(failure, f"{call}: {os.strerror(failure)}")
