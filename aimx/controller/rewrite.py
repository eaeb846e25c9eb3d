"""A file of the operator's written whole: whoever reads it sees what was there, or what is new.

What is new is written beside it first. Of whoever is killed over that, the next one takes what is
left, so that nothing stays behind.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def rewrite(path: str, before: bytes, after: bytes) -> bool:
    """Replace the file; its mode, its owner and its place stay.

    Tells whether it did: not where somebody wrote the file since it held `before`. A symbolic link
    stays one: what it leads to is replaced.
    """
    place = Path(os.path.realpath(path))
    like = place.stat()
    with _draft(place) as (draft, descriptor):
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        # After the owner, whose change takes the set-id bits away.
        _fill(descriptor, after, stat.S_IMODE(like.st_mode))
        same = place.read_bytes() == before
        if same:
            _put(draft, place)
    return same


def write(place: Path, content: bytes, mode: int) -> None:
    """The file holds this, whatever it held."""
    with _draft(place) as (draft, descriptor):
        _fill(descriptor, content, mode)
        _put(draft, place)


def create(place: Path, content: bytes, mode: int) -> bool:
    """The file holds this, if it is not there yet; tells whether it was not."""
    with _draft(place) as (draft, descriptor):
        _fill(descriptor, content, mode)
        # Nobody else of us is between this and the next line: the draft is locked.
        absent = not os.path.lexists(place)
        if absent:
            _put(draft, place)
    return absent


def make_directory(path: Path) -> None:
    """A directory, and those above that are missing, for all to read; durable."""
    for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
        missing.mkdir(mode=0o755)
        _flush(missing.parent)


@contextmanager
def _draft(place: Path) -> Iterator[tuple[Path, int]]:
    """An empty file beside it, which nobody else of us writes."""
    draft = place.parent / f".{place.name}.aimx-new"
    descriptor = _locked(draft)
    try:
        os.ftruncate(descriptor, 0)
        yield draft, descriptor
    finally:
        if _is(draft, descriptor):
            with suppress(OSError):
                draft.unlink()
        os.close(descriptor)


def _locked(draft: Path) -> int:
    """The draft as it is called now: whoever had it before may have put it into its place."""
    while True:
        descriptor = os.open(draft, _FLAGS, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is(draft, descriptor):
            return descriptor
        os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _fill(descriptor: int, content: bytes, mode: int) -> None:
    os.fchmod(descriptor, mode)  # Whatever the umask says.
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.fsync(descriptor)


def _put(draft: Path, place: Path) -> None:
    draft.replace(place)
    _flush(place.parent)


def _flush(directory: Path) -> None:
    """A rename may not survive a power cut by itself."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
