"""Whom workers run as, and that what they keep on disk is theirs."""

from __future__ import annotations

import errno
import os
import stat

import structlog

from desired.desired import ServerUsers
from reconcilers.host.host import Account, Reading

_ROOT = 0
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH = 2  # Of the directories in a worker's own.
_PRIVATE, _LENT = 0o700, 0o770
# It is gone by now, a link, a socket, or leased by whoever wants to keep it.
_NOT_TO_BE_HAD = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EWOULDBLOCK)

log = structlog.get_logger()


class Servants:
    """The service users, by the role of a worker, as the machine has them."""

    def __init__(self, host: Reading) -> None:
        self._host = host
        self._missing: set[str] = set()  # As far as anybody was told.

    def user(self, role: str, users: ServerUsers) -> Account:
        """Whom one that is started now runs as.

        Until the user of the service is made, `nobody` stands in; rootless it is us.
        """
        ours = self._host.user()
        if os.geteuid() != _ROOT:
            return ours
        name = _named(role, users)
        if (found := self._host.account(name)) is not None:
            self._missing.discard(name)
            return found
        other = self._host.account("nobody") or ours
        if name not in self._missing:
            self._missing.add(name)
            log.warning("service user is missing, another stands in", user=name, instead=other.name)
        return other

    def is_overdue(self, role: str, users: ServerUsers, now: Account) -> bool:
        """Whether somebody else is to run what this user runs now.

        A user that cannot be found at the moment is no reason to stop running as it.
        """
        if os.geteuid() != _ROOT:
            return False
        found = self._host.account(_named(role, users))
        return found is not None and found.uid != now.uid


def _named(role: str, users: ServerUsers) -> str:
    return {"inbound": users.inbound, "outbound": users.outbound}[role]


def hand_over(directory: int, user: Account, beside: Account | None = None) -> None:
    """Make a worker's own directory this user's, with what another user left there as a worker.

    Whoever that was may have put other things there: what is root's, has a second name, or is
    neither file nor directory stays as it is. Somebody who still works `beside` the user may go on
    writing there, until it is handed over once more. Raises `OSError`.
    """
    group, mode = (user.gid, _PRIVATE) if beside is None else (beside.gid, _LENT)
    found = os.fstat(directory)
    if (found.st_uid, found.st_gid) != (user.uid, group):
        os.fchown(directory, user.uid, group)
    if stat.S_IMODE(found.st_mode) != mode:
        os.fchmod(directory, mode)
    _hand_over(directory, user, _DEPTH)


def _hand_over(directory: int, user: Account, depth: int) -> None:
    for name in os.listdir(directory):
        try:
            left = os.open(name, _OPEN, dir_fd=directory)
        except OSError as cause:
            if cause.errno in _NOT_TO_BE_HAD:
                continue
            raise
        try:
            found = os.fstat(left)
            if found.st_uid == _ROOT:
                continue
            if stat.S_ISDIR(found.st_mode) and depth > 1:
                _hand_over(left, user, depth - 1)
            if found.st_uid != user.uid and _has_one_name(found):
                os.fchown(left, user.uid, user.gid)
                # Who had it may have let others in, and have kept a way to it.
                os.fchmod(left, stat.S_IMODE(found.st_mode) & _PRIVATE)
        finally:
            os.close(left)


def _has_one_name(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
