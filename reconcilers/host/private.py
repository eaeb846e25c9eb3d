"""Directories that belong to one user alone, made as that user.

So nobody ever sees one with another owner, and one call of the kernel makes it. As whom a thread
makes files is apart from who it is (setfsuid(2)); what that user may not do in a directory of
ours, our capabilities may.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from functools import cache

from reconcilers.host.host import Access

_VERSION_3 = 0x20080522
_HEADER, _OCTETS = struct.Struct("=Ii"), 24  # Of the sets: three, each of two words.
_SHARED = 0o7077  # What no directory has that is one user's alone.


def make_private(name: str, parent: int, access: Access) -> bool:
    """Whether it is made, and has exactly this access. If not, something else may be there."""
    if access.mode & _SHARED:
        return False
    try:
        if (access.uid, access.gid) == (os.geteuid(), os.getegid()):
            os.mkdir(name, access.mode, dir_fd=parent)
        elif os.geteuid() == 0:
            _make_as(name, parent, access)
        else:
            return False
    except (FileExistsError, PermissionError):
        return False
    # The directory above may pass on its own group, and a umask may take our own rights.
    made = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return Access(stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid) == access


def _make_as(name: str, parent: int, access: Access) -> None:
    """`PermissionError` where we may not act as the owner, or not even so."""
    kernel, (header, all_of_ours) = _kernel(), _capabilities()
    try:
        kernel.setfsgid(access.gid)
        kernel.setfsuid(access.uid)
        # Neither says whether it did, but asked again it does. Whoever is not root any more has
        # lost what lets us write into a directory of root's, and may have it back.
        now = (kernel.setfsuid(access.uid), kernel.setfsgid(access.gid))
        if now != (access.uid, access.gid) or kernel.capset(header, all_of_ours) != 0:
            raise PermissionError
        os.mkdir(name, access.mode, dir_fd=parent)
    finally:
        kernel.setfsuid(os.geteuid())
        kernel.setfsgid(os.getegid())


@cache
def _kernel() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _capabilities() -> tuple[bytes, bytes]:
    """Those that this process has, as `capset` is told of them."""
    header, sets = _HEADER.pack(_VERSION_3, 0), ctypes.create_string_buffer(_OCTETS)
    if _kernel().capget(header, sets) != 0:
        raise PermissionError
    return header, sets.raw
