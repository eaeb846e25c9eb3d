"""Handing a due firing to the supervisor, with its message opened for reading."""

from __future__ import annotations

import structlog

from aimx.placing import firings, reading
from aimx.placing.control import Firing, Idle, Take
from aimx.placing.database import RowsError
from aimx.placing.failure import PlacingError
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.rows import Rows

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
        try:
            mailbox = self._mailboxes.find(row.place)
            if mailbox is None or mailbox.uid != row.uid:
                return _firing(row, "", _GONE), ()
            found = reading.message(mailbox.descriptor, row.stem, row.uid)
            if found is not None:
                descriptor, path = found
                return _firing(row, path), (descriptor,)
        except OSError as failure:
            return _firing(row, "", f"its message cannot be opened: {failure.strerror}"), ()
        except PlacingError as failure:
            return _firing(row, "", str(failure)), ()
        finally:
            self._mailboxes.release()
        return _firing(row, "", _GONE), ()


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
