"""Handing a due firing to the supervisor, with its message opened for reading."""

from __future__ import annotations

import contextlib
import os
import stat

import structlog

from aimx.placing import firings
from aimx.placing.control import Firing, Idle, Take
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.rows import Rows, RowsError

# The owner may have put anything there by now: a link, a pipe without a writer, another's file.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = "its message is not where it was placed any more"

log = structlog.get_logger()


class Handing:
    """What the supervisor may ask about firings."""

    def __init__(self, rows: Rows, mailboxes: Mailboxes) -> None:
        self._rows = rows
        self._mailboxes = mailboxes

    def answer(self, take: Take) -> tuple[Firing | Idle, tuple[int, ...]]:
        """The answer and its descriptors, which are the caller's to close."""
        try:
            row = self._rows.take(take)
        except RowsError as failure:
            log.warning("firings wait", reason=str(failure))
            return Idle(recorded=False), ()
        return (Idle(), ()) if row is None else self._handed(row)

    def _handed(self, row: firings.Row) -> tuple[Firing, tuple[int, ...]]:
        mailbox = self._mailboxes.find(row.place)
        try:
            if mailbox is None or mailbox.uid != row.uid:
                return _firing(row, "", _GONE), ()
            for path in (f"{row.stem}.md", f"{row.stem}/{row.stem}.md"):
                descriptor = _opened(mailbox.descriptor, path, row.uid)
                if descriptor is not None:
                    return _firing(row, path), (descriptor,)
        finally:
            self._mailboxes.release()
        return _firing(row, "", _GONE), ()


def _opened(directory: int, path: str, uid: int) -> int | None:
    """The owner's own regular file of one name; None for whatever else is there, or nothing."""
    bundle, slash, name = path.rpartition("/")
    try:
        if not slash:
            return _checked(os.open(name, _READ, dir_fd=directory), uid)
        inside = os.open(bundle, _DIRECTORY, dir_fd=directory)
        try:
            return _checked(os.open(name, _READ, dir_fd=inside), uid)
        finally:
            os.close(inside)
    except OSError:
        return None


def _checked(descriptor: int, uid: int) -> int | None:
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == uid:
            return descriptor
    os.close(descriptor)
    return None


def _firing(row: firings.Row, path: str, reason: str = "") -> Firing:
    return Firing(
        number=row.number,
        hook=row.hook,
        uid=row.uid,
        domain=row.place.domain,
        folder=row.place.folder.directory,
        name=row.place.name,
        stem=row.stem,
        path=path,
        facts=row.facts,
        reason=reason,
    )
