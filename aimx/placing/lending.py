"""Handing out, for reading, what a worker has placed itself.

A worker knows the fingerprints of what it placed, and of nothing else; so whoever takes a worker
over reads what that still has in hand, and no older mail.
"""

from __future__ import annotations

from datetime import datetime

from aimx.channel.placing import Folder, Opening, Outcome, Reply
from aimx.placing import reading
from aimx.placing.database import RowsError
from aimx.placing.failure import PlacingError, translated
from aimx.placing.mailboxes import Mailboxes, Place
from aimx.placing.rows import Rows


class Lending:
    """What the workers may ask to have opened."""

    def __init__(self, rows: Rows, mailboxes: Mailboxes) -> None:
        self._rows = rows
        self._mailboxes = mailboxes

    def answer(
        self, opening: Opening, folders: frozenset[Folder], now: datetime
    ) -> tuple[Reply, tuple[int, ...]]:
        """The reply and its descriptors, which are the caller's to close."""
        try:
            stem, descriptor = self._opened(opening, folders, now)
        except PlacingError as failure:
            return Reply(opening.number, failure.outcome, str(failure)), ()
        except RowsError as failure:
            return Reply(opening.number, Outcome.FAILED, str(failure)), ()
        except OSError as failure:
            untold = translated(failure, "opening the message")
            return Reply(opening.number, untold.outcome, str(untold)), ()
        finally:
            self._mailboxes.release()
        return Reply(opening.number, Outcome.OPENED, stem), (descriptor,)

    def _opened(
        self, opening: Opening, folders: frozenset[Folder], now: datetime
    ) -> tuple[str, int]:
        if opening.folder not in folders:
            raise PlacingError(f"this worker may not read in {opening.folder.directory}/")
        place = Place(opening.domain, opening.folder, opening.name)
        stem = self._rows.origin(opening.fingerprint, place, now)
        mailbox = self._mailboxes.get(place, opening.uid)
        found = reading.message(mailbox.descriptor, stem, mailbox.uid)
        if found is None:
            gone = "the message is not where it was placed any more"
            raise PlacingError(gone, Outcome.AWAY)
        return stem, found[0]
