"""Owner and mode: of what is new before anybody sees it, and of what is there already."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import PurePosixPath

from reconcilers.host.accounts import user
from reconcilers.host.descriptors import ENTERING, opened, write_all
from reconcilers.host.host import Access, StepError, provisional
from reconcilers.host.renaming import rename_new
from reconcilers.host.sentences import told, why_not_given

_CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NAMING = os.O_PATH | os.O_NOFOLLOW


def make_directory(path: PurePosixPath, name: str, parent: int, access: Access) -> None:
    """Made under another name first: whoever sees it, sees it with its owner and mode."""
    new = provisional(name)
    with suppress(FileExistsError):
        os.mkdir(new, 0o700, dir_fd=parent)
    with opened(new, parent, ENTERING) as descriptor:
        settle(path, descriptor, access)
    rename_new(new, parent, name, parent)


def give(path: PurePosixPath, name: str, parent: int, access: Access) -> None:
    """Owner and mode of what is there, also where its mode forbids us to open it."""
    with opened(name, parent, _NAMING) as descriptor:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise told(errno.ELOOP)
        file = f"/proc/self/fd/{descriptor}"
        if settle(path, file, access):
            with opened(file, None, os.O_RDONLY | os.O_NONBLOCK) as reopened:
                os.fsync(reopened)


def settle(path: PurePosixPath, file: int | str, access: Access) -> bool:
    """Owner and mode by a descriptor or its name in /proc; tells whether they were others."""
    found = os.stat(file)
    if (found.st_uid, found.st_gid) != (access.uid, access.gid):
        try:
            os.chown(file, access.uid, access.gid)
        except PermissionError as error:
            raise StepError(why_not_given(path, access, user())) from error
    elif stat.S_IMODE(found.st_mode) == access.mode:
        return False
    os.chmod(file, access.mode)  # After the owner, since a new owner costs it its special bits.
    return True


def write_new(path: PurePosixPath, name: str, parent: int, content: bytes, access: Access) -> None:
    with opened(name, parent, _CREATING) as descriptor:
        write_all(descriptor, content)
        settle(path, descriptor, access)
        os.fsync(descriptor)
