"""How a worker stops being root, and what it gives up besides."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Sequence

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_OPEN_FILES = 8192
_MEMORY = 4 << 30  # Octets. Beyond it one worker fails, and not the host.


class PrivilegeError(Exception):
    """The process cannot become who it should be, and must not go on."""


def drop(uid: int, gid: int, groups: Sequence[int] = ()) -> None:
    """Become that user for good: groups first, then group, then user.

    Without root the process can only be who it is, and everything else is refused.
    """
    if os.geteuid() == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        raise PrivilegeError(f"uid {os.getuid()} cannot become uid {uid} with gid {gid}")
    if uid != 0:
        _check_no_way_back()


def harden() -> None:
    """No debugger, no core, no set-user-id program, bounded files and memory. After `drop`."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            failure = os.strerror(ctypes.get_errno())
            raise PrivilegeError(f"prctl({option}, {value}): {failure}")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, _MEMORY)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)


def open_files() -> int:
    """How many files a worker of ours may have open, once it is hardened."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _OPEN_FILES if most == resource.RLIM_INFINITY else min(most, _OPEN_FILES)


def _check_no_way_back() -> None:
    # Not permitted; or invalid, in a user namespace that knows no root.
    with contextlib.suppress(OSError):
        os.setuid(0)
        raise PrivilegeError("root could be had back after it was given up")


def _limit(kind: int, wanted: int) -> None:
    """Set the limit, or come as near to it as who we are allows."""
    try:
        resource.setrlimit(kind, (wanted, wanted))
    except ValueError:
        # Only root may raise the upper one of the two that every limit has.
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (most, most))
