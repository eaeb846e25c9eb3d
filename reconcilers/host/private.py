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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from reconcilers.host.host import Access

_VERSION_3 = 0x20080522
_HEADER, _OCTETS = struct.Struct("=Ii"), 24  # Of the sets: three, each of two words.
_SHARED = 0o7077  # What no directory has that is one user's alone.


def make_private(places: Sequence[tuple[int, str]], access: Access) -> Sequence[bool | OSError]:
    """Which of them are made, and seen to have exactly this access; or why one cannot be.

    Each is a directory's descriptor and a name in it. Where one is not made, something else may
    be there, or it has to be made aside.
    """
    if access.mode & _SHARED:
        return [False] * len(places)
    with _as_owner(access) as is_owner:
        made = [is_owner and _is_made(name, directory, access.mode) for directory, name in places]
    return [
        _is_seen(name, directory, access) if is_made is True else is_made
        for is_made, (directory, name) in zip(made, places, strict=True)
    ]


def _is_made(name: str, directory: int, mode: int) -> bool | OSError:
    try:
        os.mkdir(name, mode, dir_fd=directory)
    except (FileExistsError, PermissionError):
        return False
    except OSError as error:  # No room for its owner is none that root has.
        return error
    return True


def _is_seen(name: str, directory: int, access: Access) -> bool:
    """The directory above may pass on its own group, and a umask may take our own rights."""
    try:
        made = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    ids = (made.st_uid, made.st_gid)
    return ids == (access.uid, access.gid) and made.st_mode == stat.S_IFDIR | access.mode


@contextmanager
def _as_owner(access: Access) -> Iterator[bool]:
    """This thread makes files as somebody else; False where we may not act as them."""
    ours = (os.geteuid(), os.getegid())
    if (access.uid, access.gid) == ours or ours[0] != 0:
        yield (access.uid, access.gid) == ours
        return
    kernel = _kernel()
    try:
        yield _becomes(access, kernel)
    finally:
        kernel.setfsuid(ours[0])
        kernel.setfsgid(ours[1])


def _becomes(access: Access, kernel: ctypes.CDLL) -> bool:
    capabilities = _capabilities()
    kernel.setfsgid(access.gid)
    kernel.setfsuid(access.uid)
    # Neither says whether it did, but asked again it does. Whoever is not root any more has
    # lost what lets us write into a directory of root's, and may have it back.
    now = (kernel.setfsuid(access.uid), kernel.setfsgid(access.gid))
    is_them = now == (access.uid, access.gid)
    return is_them and capabilities is not None and kernel.capset(*capabilities) == 0


@cache
def _kernel() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _capabilities() -> tuple[bytes, bytes] | None:
    """Those that this process has, as `capset` is told of them; None where it cannot be told."""
    header, sets = _HEADER.pack(_VERSION_3, 0), ctypes.create_string_buffer(_OCTETS)
    return (header, sets.raw) if _kernel().capget(header, sets) == 0 else None
