"""What the placer does before it serves: settle what a killed one left."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime

import structlog

from aimx.placing.disk import Disk
from aimx.placing.mailboxes import Mailbox, Mailboxes
from aimx.placing.rows import Row, Rows

log = structlog.get_logger()


def settle(rows: Rows, mailboxes: Mailboxes, disk: Disk, now: datetime) -> None:
    """Confirm each row whose message is in its mailbox, durably, and drop the others.

    In doubt a row goes: then a message that is sent again is kept twice, and none is lost.
    """
    unconfirmed = rows.unconfirmed()
    found: dict[bytes, int] = {}  # By fingerprint, the mailbox's open directory.
    for row in unconfirmed:
        mailbox = mailboxes.find(row.place)
        if mailbox is not None and _is_there(row, mailbox):
            found[row.fingerprint] = mailbox.descriptor
    failures = disk.flush_all(found.values())
    kept = {row for row, directory in found.items() if directory not in failures}
    rows.confirm(kept)
    rows.withdraw(row.fingerprint for row in unconfirmed if row.fingerprint not in kept)
    rows.save(now)
    mailboxes.release()
    if unconfirmed:
        log.info("placed mail settled", there=len(kept), dropped=len(unconfirmed) - len(kept))


def _is_there(row: Row, mailbox: Mailbox) -> bool:
    # A message, a bundle, or the text in a bundle that was replaced.
    for name in (f"{row.stem}.md", row.stem, f"{row.stem}/{row.stem}.md"):
        with contextlib.suppress(OSError):
            found = os.stat(name, dir_fd=mailbox.descriptor, follow_symlinks=False)
            if found.st_ino == row.inode:
                return True
    return False
