"""What a worker's descriptor must be before it becomes somebody's mail.

A worker may be in the hands of whoever sent it bytes, so nothing about a descriptor is believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from aimx.placing.failure import PlacingError, translated
from desired.frozen import frozen

_ACL = "system.posix_acl_access"


@frozen
class Rule:
    """What a worker may pass."""

    uid: int  # The worker's user.
    device: int  # Of its spool, which is that of the mailboxes.
    limit: int  # Octets.


def size(descriptor: int, rule: Rule, *, named: bool = False) -> int:
    """The file's octets, if it is one that this worker made for us; else a `PlacingError`.

    `named`: it may have a name, for it will be copied and not become mail itself.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise PlacingError("the worker passed something that is no regular file")
    if found.st_nlink and not named:
        raise PlacingError("the worker passed a file that has a name")
    if found.st_uid != rule.uid:
        raise PlacingError(f"the worker passed a file of uid {found.st_uid}")
    if found.st_dev != rule.device:
        raise PlacingError("the worker passed a file of another file system")
    if found.st_size > rule.limit:
        raise PlacingError(f"the worker passed a file of {found.st_size} octets")
    return found.st_size


def take_over(descriptor: int, uid: int, gid: int) -> bool:
    """Make the file the owner's, and see that nobody can write to it any more.

    The order is the point. Owner and mode come first: the other way round the worker could open
    its own file for writing while a lease makes that wait, and write after the placing. Then the
    lease, which is refused while a writer or a writable map is left, and is given up at once.

    False where somebody has opened it apart from this descriptor. He may hold a lease on it, and
    its owner's first write would wait for him; so it is good for nothing but to be copied.
    """
    try:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, 0o600)
        _drop_acl(descriptor)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        alone = _is_open_nowhere_else(descriptor)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError as failure:
        raise PlacingError("the worker kept a way to write to a file that it passed") from failure
    except OSError as failure:
        raise translated(failure, "taking over a file that the worker passed") from failure
    return alone


def _is_open_nowhere_else(descriptor: int) -> bool:
    # Who has a write lease is alone with the file.
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    return True


def _drop_acl(descriptor: int) -> None:
    # The mode masks what the worker granted itself there, until the owner changes the mode.
    with contextlib.suppress(OSError):
        os.removexattr(descriptor, _ACL)
