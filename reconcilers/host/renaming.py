"""Renames that never replace what is there, which Python cannot ask the kernel for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache

_RENAME_NOREPLACE = 1

# Of a kernel, C library or file system that does not know the call or its flag.
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}


def rename_new(source: str, source_directory: int, target: str, target_directory: int) -> None:
    """Rename relative to descriptors of directories; `FileExistsError` where the target is."""
    import ctypes  # Not for those who only look: it takes a while.

    renameat2 = _renameat2()
    if renameat2 is None:
        rename_after_looking(source, source_directory, target, target_directory)
        return
    failed = renameat2(
        source_directory,
        os.fsencode(source),
        target_directory,
        os.fsencode(target),
        _RENAME_NOREPLACE,
    )
    if not failed:
        return
    number = ctypes.get_errno()
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), target)
    rename_after_looking(source, source_directory, target, target_directory)


def rename_after_looking(
    source: str, source_directory: int, target: str, target_directory: int
) -> None:
    """The same where the kernel cannot: safe among those who hold the lock of an apply."""
    try:
        os.lstat(target, dir_fd=target_directory)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


@cache
def _renameat2() -> Callable[..., int] | None:
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    call.restype = ctypes.c_int
    return call  # type: ignore[no-any-return]
