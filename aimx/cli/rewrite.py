"""A file of the operator's replaced whole: its mode, its owner and its place stay."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def rewrite(path: str, before: bytes, after: bytes) -> bool:
    """Replace the file by one that whoever reads it sees whole, or not at all.

    Tells whether it did: not where somebody wrote the file since it held `before`. A symbolic link
    stays one: what it leads to is replaced.
    """
    place = Path(os.path.realpath(path))
    draft = place.parent / f".{place.name}.{secrets.token_hex(6)}"
    try:
        _write(draft, after, place.stat())
        same = place.read_bytes() == before
        if same:
            draft.replace(place)
            _flush(place.parent)
        return same
    finally:
        with suppress(OSError):
            draft.unlink()


def _write(draft: Path, content: bytes, like: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        # After the owner, whose change takes the set-id bits away.
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _flush(directory: Path) -> None:
    """A rename may not survive a power cut by itself."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
