"""What an error of the kernel means to an operator, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from reconcilers.host.host import Access, Account, StepError, UnseenError

# What it is, then what to do: read after the path that it is about.
_SENTENCES = {
    errno.ENOSPC: (
        "no space is left on its file system",
        "Make room there, then run `aimx apply` again",
    ),
    errno.EDQUOT: (
        "the disk quota of its owner is used up",
        "Raise the quota or make room, then run `aimx apply` again",
    ),
    errno.EROFS: (
        "its file system is mounted read-only",
        "Mount it writable, then run `aimx apply` again",
    ),
    errno.EIO: (
        "the disk reports an input/output error",
        "Look at the kernel's log and at the disk before anything else",
    ),
    errno.EACCES: (
        "this user may not go there",
        "Run as the user that the instance belongs to, or correct the modes of what is above it",
    ),
    errno.EPERM: (
        "the kernel does not permit it to this user",
        "Run as the user that the instance belongs to, and look for `lsattr` flags",
    ),
    errno.ENOENT: (
        "it, or a directory above it, is not there",
        "Run `aimx plan` to see what is missing",
    ),
    errno.ENOTDIR: (
        "a file stands where a directory belongs",
        "Move that file away",
    ),
    errno.EISDIR: (
        "a directory stands where a file belongs",
        "Move that directory away",
    ),
    errno.ENXIO: (
        "a socket, a device or a FIFO stands where a file belongs",
        "Find out whose it is, and move it away",
    ),
    errno.ELOOP: (
        "a symbolic link stands there, and aimx follows none below its directories",
        "Put the directory or file itself there, or point the instance at where the link leads",
    ),
    errno.EEXIST: (
        "something is there already",
        "Look what it is, and move it away",
    ),
    errno.ENOTEMPTY: (
        "the directory is not empty",
        "Look at what is in it, and move that away",
    ),
    errno.EXDEV: (
        "the two places are on different file systems, and aimx never copies mail",
        "Bring both on one file system",
    ),
    errno.EBUSY: (
        "it is in use, perhaps as a mount point",
        "Unmount it first",
    ),
    errno.ENAMETOOLONG: (
        "the name is longer than the file system allows",
        "Choose a shorter one",
    ),
    errno.EFBIG: (
        "the file is larger than it may be",
        "Look at what it is, and at the limits of this process (`ulimit -f`)",
    ),
    errno.EMFILE: (
        "this process has too many files open",
        "Raise its limit of open files (`ulimit -n`, `LimitNOFILE=`)",
    ),
    errno.ENFILE: (
        "the machine has too many files open",
        "Raise `fs.file-max`, or find out who holds them",
    ),
}


def sentence(path: PurePosixPath, error: OSError) -> str:
    """What, where and what to do. The place is the error's own where it has a whole path."""
    what, remedy = _SENTENCES.get(
        error.errno or 0,
        (str(error.strerror).lower(), "Look at the kernel's log, then run `aimx apply` again"),
    )
    place = error.filename if str(error.filename).startswith("/") else path
    return f"{place}: {what}. {remedy}."


def told(number: int, path: PurePosixPath | None = None) -> OSError:
    """The error of that number, as the kernel would raise it."""
    return OSError(number, os.strerror(number), path and str(path))


def _why_not_moved(error: OSError, source: PurePosixPath, target: PurePosixPath) -> str:
    """`sentence` for a rename, which has two places."""
    match error.errno:
        case errno.EEXIST | errno.ENOTEMPTY:
            return (
                f"{target}: is there already, so {source} was not moved there. "
                "Look which of the two is wanted, and move the other away."
            )
        case errno.EXDEV:
            return (
                f"{source}: is on another file system than {target}, and aimx never copies mail. "
                "Bring both on one file system, or move it by hand while the daemon is stopped."
            )
        case errno.ENOENT:
            return (
                f"{source}: is not there, so it was not moved to {target}. "
                "Run `aimx plan` to see what is."
            )
        case errno.EINVAL:
            return f"{source}: cannot be moved into itself, to {target}. Choose another place."
        case _:
            return sentence(source, error)


def why_not_given(path: PurePosixPath, access: Access, user: Account) -> str:
    """Why an owner or group could not be set."""
    return (
        f"{path}: only root can give it to user {access.uid} and group {access.gid}. "
        f"Run as root, or name {user.name} as its owner."
    )


class looking:  # noqa: N801 - read after `with`
    """What is not there ends the block quietly; what cannot be seen is unseen."""

    __slots__ = ("_path",)

    def __init__(self, path: PurePosixPath) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return True
        if isinstance(error, OSError):
            raise UnseenError(sentence(self._path, error)) from error
        return False


@contextmanager
def changing(path: PurePosixPath) -> Iterator[None]:
    """What the machine refuses is a step that failed."""
    try:
        yield
    except OSError as error:
        raise StepError(sentence(path, error)) from error


@contextmanager
def removing(path: PurePosixPath) -> Iterator[None]:
    """Like `changing`; what is not there need not be removed."""
    with changing(path), suppress(FileNotFoundError):
        yield


@contextmanager
def moving(source: PurePosixPath, target: PurePosixPath) -> Iterator[None]:
    """Like `changing`, for the rename itself."""
    try:
        yield
    except OSError as error:
        raise StepError(_why_not_moved(error, source, target)) from error
