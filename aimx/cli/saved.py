"""The file of a saved plan: written whole or not at all, private; read with suspicion."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress

from aimx.cli.roots import absolute

# Octets, as a daemon takes at its socket; a plan that makes 100,000 mailboxes has 16 MB. None over
# that is written, also where no daemon runs: one may when it is to be applied.
LARGEST = 25 * 1024 * 1024
# How each saved plan begins, whatever release wrote it.
BEGINNING = b'{"format": "aimx.saved-plan"'

_CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileError(Exception):
    """A plan cannot be kept in this file, or not be read from it."""


def read(path: str, largest: int = LARGEST) -> bytes:
    """The file's content, of `largest` octets at most; raises `FileError`."""
    try:
        # Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as cause:
        raise FileError(f"{path}: {_said(cause)}") from cause
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(largest + 1)
    except OSError as cause:
        raise FileError(f"{path}: {_said(cause)}") from cause
    finally:
        os.close(descriptor)
    if len(content) > largest:
        raise FileError(
            f"{path}: it is over {largest:,} octets, and `aimx plan --out FILE` writes no plan that"
            " is. Name the file that it wrote; `aimx apply` without a FILE has no such limit."
        )
    if not content:
        raise FileError(f"{path}: it is empty. `aimx plan --out FILE` writes a plan.")
    return content


def check(path: str, roots: Mapping[str, str]) -> None:
    """Whether a plan may be written there, before it is made; raises `FileError`."""
    if not path or not path.isprintable():
        raise FileError(f"{path!r} is no name for a file that a command line could show.")
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        found = None
    except OSError as cause:
        raise FileError(f"{path}: {_said(cause)}") from cause
    if found is not None:
        _require_regular(path, found.st_mode)
        _require_spare(path, roots)


def write(path: str, content: bytes, largest: int = LARGEST) -> None:
    """Keep the plan, durably and readable by its owner alone; raises `FileError`, also where it
    is over `largest` octets, and then nothing was written."""
    if len(content) > largest:
        raise FileError(
            f"{path}: it has {len(content):,} octets, and a daemon takes {largest:,} at most. Apply"
            " it without a file, with `aimx apply`; or declare a part of it, apply that, then plan"
            " the rest."
        )
    directory, name = os.path.split(absolute(path))
    # In a directory where everybody may write it must be nobody else's: each process has its own.
    new = os.path.join(directory, f".{name}.{os.getpid()}.aimx-new")
    try:
        _sweep(directory, name)
        try:
            with os.fdopen(os.open(new, _CREATING, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
        _flush(directory)
    except OSError as cause:
        raise FileError(f"{path}: {_said(cause)}") from cause


def _sweep(directory: str, name: str) -> None:
    """Take away what processes left that were killed over this plan."""
    draft = re.compile(rf"\.{re.escape(name)}\.([0-9]+)\.aimx-new")
    with suppress(OSError):
        for left in os.listdir(directory):
            if (found := draft.fullmatch(left)) and _is_over(int(found[1])):
                os.unlink(os.path.join(directory, left))


def _is_over(process: int) -> bool:
    """Whether there is no such process, or it is this one, which has begun nothing yet."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return process == os.getpid()


def _flush(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_regular(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise FileError(f"{path}: it is a directory. Name a file.")
    if not stat.S_ISREG(mode):
        raise FileError(f"{path}: it is no regular file. Name one that is, or that is not there.")


def _require_spare(path: str, roots: Mapping[str, str]) -> None:
    """A slip must not cost a manifest, a key or a mail: among those only a plan is replaced."""
    real = os.path.realpath(path)
    ours = (roots["config-dir"], roots["data-dir"], roots["manifest"])
    inside = any(os.path.commonpath((real, home := os.path.realpath(o))) == home for o in ours)
    if inside and not read(path).startswith(BEGINNING):
        raise FileError(f"{path}: it is a file of the instance, and no plan. Name another.")


def _said(cause: OSError) -> str:
    return f"{(cause.strerror or str(cause)).lower()}."
