"""What the placer does before it serves: settle what a killed one left."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime

import structlog

from aimx.placing import reading
from aimx.placing.disk import Disk
from aimx.placing.failure import PlacingError, is_away
from aimx.placing.mailboxes import Mailbox, Mailboxes
from aimx.placing.rows import Row, Rows

log = structlog.get_logger()


def settle(rows: Rows, mailboxes: Mailboxes, disk: Disk, placing: int, now: datetime) -> None:
    """Confirm each row whose message is in its mailbox, durably, and drop the others.

    In doubt a row goes: then a message that is sent again is kept twice, and none is lost.
    `placing`: the descriptor of the directory where drafts wait.
    """
    unconfirmed = rows.unconfirmed()
    with ExitStack() as opened:
        found: dict[bytes, int] = {}  # By fingerprint, the directory that has its name.
        for row in unconfirmed:
            directory = _directory(row, mailboxes, opened)
            if directory is not None:
                found[row.fingerprint] = directory
        # A rename has two ends, and a killed placer may have flushed neither.
        failures = disk.flush_all([*found.values(), placing]) if found else {}
        failed = failures.keys()
        kept = {row for row, where in found.items() if failed.isdisjoint((where, placing))}
    rows.confirm(kept)
    rows.withdraw(row.fingerprint for row in unconfirmed if row.fingerprint not in kept)
    rows.save(now)
    mailboxes.release()
    if unconfirmed:
        log.info("placed mail settled", there=len(kept), dropped=len(unconfirmed) - len(kept))


def _directory(row: Row, mailboxes: Mailboxes, opened: ExitStack) -> int | None:
    """Where the row's file has its name; None where it has none any more, or nobody can tell."""
    try:
        mailbox = mailboxes.find(row.place)
        return None if mailbox is None else _named(row, mailbox, opened)
    except (OSError, PlacingError) as failure:
        log.warning("placed mail not looked for", stem=row.stem, reason=str(failure))
        return None


def _named(row: Row, mailbox: Mailbox, opened: ExitStack) -> int | None:
    # A message, or a bundle.
    for name in (f"{row.stem}.md", row.stem):
        if _is(row, name, mailbox.descriptor):
            return mailbox.descriptor
    # The text in a bundle that was replaced.
    try:
        inside = os.open(row.stem, reading.DIRECTORY, dir_fd=mailbox.descriptor)
    except OSError as failure:
        if not is_away(failure):
            raise
        return None
    opened.callback(os.close, inside)
    return inside if _is(row, f"{row.stem}.md", inside) else None


def _is(row: Row, name: str, directory: int) -> bool:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return found.st_ino == row.inode
