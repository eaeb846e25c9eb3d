"""`placed.db`: which messages were placed in the last day, and which hooks fire for them.

By the first a message that is sent again is not kept twice.

A row is committed before its message is linked (`placed = 0`) and confirmed with the next
transaction. What a crash leaves unconfirmed is settled at the next start, against the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from aimx.channel.placing import Folder, Outcome
from aimx.damaged import making_sense
from aimx.placing import firings
from aimx.placing.control import Take
from aimx.placing.database import Database
from aimx.placing.failure import PlacingError
from aimx.placing.firings import Firings, Wanted
from aimx.placing.mailboxes import Place, plain
from desired.frozen import frozen

# After the last hit. What was sent changes for as long as it is on its way.
_REMEMBERED = {Folder.INBOX: timedelta(hours=24), Folder.SENT: timedelta(days=30)}
_SWEEP_SECONDS = 3600  # How often what is older is deleted.
_INSERT = (
    "INSERT OR REPLACE INTO placed"
    " (fingerprint, domain, folder, name, stem, inode, placed, hit, mailbox)"
    " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)"
)


class Row(NamedTuple):
    """One message that is about to be seen."""

    fingerprint: bytes
    place: Place
    stem: str
    inode: int
    mailbox: str = ""  # The mark of its directory.


@frozen
class Before:
    """A message as it was placed before."""

    place: Place
    stem: str
    mailbox: str  # The mark of the directory; empty where an older aimx placed it.

    def is_in(self, mark: str) -> bool:
        """Whether it came into this directory, and not into one that had its name before."""
        return self.mailbox in ("", mark)


class Rows:
    """The open database. Its directory's lock is the caller's."""

    def __init__(self, path: Path) -> None:
        # What the next transaction will confirm, and what it will delete.
        self._placed: set[bytes] = set()
        self._withdrawn: set[bytes] = set()
        self._swept_at = 0.0
        self._firings = Firings()
        self._database = Database(path, self._firings.load)
        self._has_news = False
        self._is_fresh = True  # Nobody has said yet which firings of an earlier placer still run.

    @property
    def awakes(self) -> bool:
        """Whether saving what is unsaved makes a firing due."""
        return self._firings.concern(self._placed)

    def news(self) -> bool:
        """Whether a firing may have become due since this was asked last."""
        found, self._has_news = self._has_news, False
        return found

    @property
    def waiting(self) -> int:
        """How many firings have not begun."""
        return self._firings.waiting

    @property
    def has_unsaved(self) -> bool:
        return bool(self._placed or self._withdrawn)

    def stem(self, fingerprint: bytes, now: datetime) -> str | None:
        """Under which stem this message was placed; None where it was not, or too long ago."""
        found = self.before((fingerprint,), now).get(fingerprint)
        return None if found is None else found.stem

    def origin(self, fingerprint: bytes, place: Place, now: datetime) -> str:
        """The stem of what was placed there under this fingerprint; raises `PlacingError`."""
        found = self.before((fingerprint,), now).get(fingerprint)
        if found is None or found.place != place:
            unknown = f"nothing is known to be placed in {place.path} under this fingerprint"
            raise PlacingError(unknown, Outcome.AWAY)
        return found.stem

    def before(self, fingerprints: Sequence[bytes], now: datetime) -> dict[bytes, Before]:
        """Several of them, by fingerprint; who was not placed, or too long ago, is not there."""
        if not fingerprints:
            return {}
        marks = ", ".join("?" * len(fingerprints))
        with self._database as database:
            found = database.execute(
                "SELECT fingerprint, domain, folder, name, stem, hit, mailbox FROM placed"  # noqa: S608
                f" WHERE fingerprint IN ({marks})",
                fingerprints,
            ).fetchall()
            with making_sense("what was placed"):
                return {
                    each: Before(Place.on_record(domain, folder, name), plain(stem), mailbox)
                    for each, domain, folder, name, stem, hit, mailbox in found
                    if each not in self._withdrawn
                    if hit > (now - _REMEMBERED[Folder(folder)]).timestamp()
                }

    def record(
        self,
        rows: Sequence[Row],
        hits: Collection[bytes],
        now: datetime,
        wanted: Sequence[Wanted] = (),
    ) -> None:
        """Commit what is about to be seen, renew what was sent again, and save what is unsaved."""
        moment = now.timestamp()
        concerned = self._concerned
        with self._database.transaction() as database:
            self._save(database, concerned=concerned)
            self._firings.add(database, wanted)
            database.executemany(_INSERT, [_values(row, moment) for row in rows])
            if hits:
                renewed = [(moment, hit) for hit in hits]
                database.executemany("UPDATE placed SET hit = ? WHERE fingerprint = ?", renewed)
            self._forget_old(database, now)
        self._saved(concerned=concerned or bool(wanted))

    def take(self, take: Take) -> firings.Row | None:
        """Settle the firings that are over, and start one if one is wanted and due."""
        concerned = self._concerned
        with self._database.transaction() as database:
            self._save(database, concerned=concerned)
            self._firings.add(database, ())
            self._firings.finish(database, take.finished)
            if self._is_fresh:
                lost = self._firings.interrupted(database, take.running)
                self._firings.finish(database, firings.told(lost))
            row = self._firings.start(database, take.busy) if take.wanted else None
        self._saved(concerned=concerned)
        self._is_fresh = False
        if row is not None:
            self._firings.begun(row)
        return row

    def save(self, now: datetime) -> None:
        """A transaction for what is unsaved alone, if anything is."""
        if self.has_unsaved:
            self.record((), (), now)

    def confirm(self, fingerprints: Iterable[bytes]) -> None:
        """These are on disk; saved with the next transaction."""
        self._placed.update(fingerprints)

    def withdraw(self, fingerprints: Iterable[bytes]) -> None:
        """These are not on disk after all. They count no more, and go with the next transaction."""
        self._withdrawn.update(fingerprints)

    def unconfirmed(self) -> list[Row]:
        """What the last placer did not come to confirm or to withdraw."""
        with self._database as database:
            found = database.execute(
                "SELECT fingerprint, domain, folder, name, stem, inode FROM placed WHERE placed = 0"
            ).fetchall()
            with making_sense("what was about to be placed"):
                return [
                    Row(each, Place.on_record(domain, folder, name), plain(stem), int(inode))
                    for each, domain, folder, name, stem, inode in found
                ]

    def close(self) -> None:
        self._database.close()

    @property
    def _concerned(self) -> bool:
        return self.awakes or self._firings.concern(self._withdrawn)

    def _saved(self, *, concerned: bool) -> None:
        if concerned:
            self._firings.follow(self._placed, self._withdrawn)
            self._has_news = True
        self._placed.clear()
        self._withdrawn.clear()

    def _save(self, database: sqlite3.Connection, *, concerned: bool) -> None:
        if concerned:
            self._firings.settle(database, self._placed, self._withdrawn)
        if self._placed:
            database.executemany(
                "UPDATE placed SET placed = 1 WHERE fingerprint = ?",
                [(fingerprint,) for fingerprint in self._placed],
            )
        if self._withdrawn:
            database.executemany(
                "DELETE FROM placed WHERE fingerprint = ?",
                [(fingerprint,) for fingerprint in self._withdrawn],
            )

    def _forget_old(self, database: sqlite3.Connection, now: datetime) -> None:
        if abs(now.timestamp() - self._swept_at) < _SWEEP_SECONDS:
            return
        self._swept_at = now.timestamp()
        database.executemany(
            "DELETE FROM placed WHERE placed = 1 AND folder = ? AND hit <= ?",
            [(folder, (now - span).timestamp()) for folder, span in _REMEMBERED.items()],
        )


def _values(row: Row, moment: float) -> tuple[object, ...]:
    place = row.place
    return (
        row.fingerprint,
        place.domain,
        int(place.folder),  # SQLite asks of every other type how it is to be written.
        place.name,
        row.stem,
        str(row.inode),
        moment,
        row.mailbox,
    )
