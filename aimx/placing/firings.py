"""The firings of hooks: rows of `placed.db`, committed with the row of their message.

A firing waits until its message is confirmed, then is due, then started, then gone. It is marked as
started before anybody learns of it, so that a crash may lose a run and never repeats one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import structlog

from aimx.channel.placing import Due, Folder
from aimx.damaged import making_sense
from aimx.placing.mailboxes import Place, plain
from desired.frozen import frozen

SCHEMA = """
CREATE TABLE IF NOT EXISTS firings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint BLOB NOT NULL,
    hook TEXT NOT NULL,
    uid INTEGER NOT NULL,
    domain TEXT NOT NULL,
    folder INTEGER NOT NULL,
    name TEXT NOT NULL,
    stem TEXT NOT NULL,
    facts TEXT NOT NULL,
    state INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS firings_state ON firings (state, number);
"""
# Of one owner, however many come at once. Whose hooks do not keep up with his mail loses the
# firings that come then.
MOST_WAITING = 1000

# What the log calls a firing, by where its message was placed.
_EVENTS = {Folder.INBOX: "on_receive", Folder.SENT: "after_send"}
_COLUMNS = "number, fingerprint, hook, uid, domain, folder, name, stem, facts"
_INSERT = (
    "INSERT INTO firings (fingerprint, hook, uid, domain, folder, name, stem, facts, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)"
)

log = structlog.get_logger()


class State(IntEnum):
    """How far a firing is."""

    WAITING = 0  # Its message is not known to be placed.
    DUE = 1
    STARTED = 2


@frozen
class Wanted:
    """The firings of one message that is about to be seen."""

    fingerprint: bytes
    place: Place
    stem: str
    uid: int  # The mailbox's owner.
    due: Due


@frozen
class Row:
    """One firing on record."""

    number: int
    hook: str
    uid: int
    place: Place
    stem: str
    facts: str


@dataclass(slots=True)
class Firings:
    """The table, within transactions that are its owner's.

    What is remembered beside it follows only when a transaction is committed.
    """

    # Those whose message is not confirmed: by fingerprint, whose they are and how many.
    _waiting: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    _owners: Counter[int] = field(default_factory=Counter)  # Firings that have not begun, by uid.
    _added: list[Wanted] = field(default_factory=list)  # By the transaction that is under way.

    def load(self, database: sqlite3.Connection) -> None:
        """Remember what is on record; called for each database that is opened."""
        waiting = "SELECT fingerprint, uid, count(*) FROM firings WHERE state = 0 GROUP BY 1"
        owners = "SELECT uid, count(*) FROM firings WHERE state < 2 GROUP BY uid"
        with making_sense("a firing"):
            self._waiting = {
                bytes(each): (int(uid), number) for each, uid, number in database.execute(waiting)
            }
            self._owners = Counter({int(uid): number for uid, number in database.execute(owners)})

    @property
    def waiting(self) -> int:
        """Firings that have not begun, of all owners."""
        return self._owners.total()

    def concern(self, fingerprints: Iterable[bytes]) -> bool:
        """Whether any of these messages has a firing that waits for it."""
        return bool(self._waiting) and not self._waiting.keys().isdisjoint(fingerprints)

    def follow(self, placed: Iterable[bytes], withdrawn: Iterable[bytes]) -> None:
        """Remember what a transaction that is committed has added and settled.

        Not by asking the database: an owner may have a thousand rows there, and the disk may not
        answer any more.
        """
        for fingerprint in placed:
            self._waiting.pop(fingerprint, None)
        for fingerprint in withdrawn:
            self._forget(fingerprint)
        for each in self._added:
            self._forget(each.fingerprint)
            self._waiting[each.fingerprint] = each.uid, len(each.due.hooks)
            self._owners[each.uid] += len(each.due.hooks)

    def begun(self, row: Row) -> None:
        """Remember that it does not wait any more."""
        self._drop(row.uid, 1)

    def _forget(self, fingerprint: bytes) -> None:
        """What waited for this message, if anything did, is not on record any more."""
        if fingerprint in self._waiting:
            self._drop(*self._waiting.pop(fingerprint))

    def _drop(self, uid: int, number: int) -> None:
        self._owners[uid] -= number
        if not self._owners[uid]:
            del self._owners[uid]

    def add(self, database: sqlite3.Connection, wanted: Sequence[Wanted]) -> None:
        self._added = []
        adding: Counter[int] = Counter()
        for each in wanted:
            place, due = each.place, each.due
            where = (each.uid, place.domain, place.folder, place.name, each.stem)
            if self._owners[each.uid] + adding[each.uid] + len(due.hooks) > MOST_WAITING:
                _tell_full(each)
                continue
            self._added.append(each)
            adding[each.uid] += len(due.hooks)
            # A commit that failed may have been one: what is wanted now is wanted once.
            database.execute(
                "DELETE FROM firings WHERE fingerprint = ? AND state = 0", (each.fingerprint,)
            )
            database.executemany(
                _INSERT,
                [(each.fingerprint, hook, *where, due.facts.decode()) for hook in due.hooks],
            )

    def settle(
        self, database: sqlite3.Connection, placed: Iterable[bytes], withdrawn: Iterable[bytes]
    ) -> None:
        """The firings of what is placed are due, and those of what is not go."""
        database.executemany(
            "UPDATE firings SET state = 1 WHERE fingerprint = ? AND state = 0",
            [(fingerprint,) for fingerprint in placed if fingerprint in self._waiting],
        )
        database.executemany(
            "DELETE FROM firings WHERE fingerprint = ? AND state = 0",
            [(fingerprint,) for fingerprint in withdrawn if fingerprint in self._waiting],
        )

    def start(self, database: sqlite3.Connection, busy: Sequence[int]) -> Row | None:
        """Mark the oldest that is due as started, but none of these owners; None: there is none."""
        marks = ", ".join("?" * len(busy))
        found = database.execute(
            f"SELECT {_COLUMNS} FROM firings WHERE state = 1 AND uid NOT IN ({marks})"  # noqa: S608
            " ORDER BY number LIMIT 1",
            tuple(busy),
        ).fetchone()
        if found is None:
            return None
        database.execute("UPDATE firings SET state = 2 WHERE number = ?", found[:1])
        return _row(found)

    def finish(self, database: sqlite3.Connection, numbers: Iterable[int]) -> None:
        database.executemany(
            "DELETE FROM firings WHERE number = ? AND state = 2", [(number,) for number in numbers]
        )

    def interrupted(self, database: sqlite3.Connection, but: Iterable[int]) -> list[Row]:
        """What was started and neither runs nor has ended, as far as anybody can tell."""
        known = set(but)
        found = database.execute(f"SELECT {_COLUMNS} FROM firings WHERE state = 2")  # noqa: S608
        return [row for row in map(_row, found) if row.number not in known]


def _row(found: Sequence[object]) -> Row:
    number, _, hook, uid, domain, folder, name, stem, facts = found
    with making_sense(f"the firing {number}"):
        return Row(
            number=int(str(number)),
            hook=str(hook),
            uid=int(str(uid)),
            place=Place.on_record(domain, folder, name),
            stem=plain(stem),
            facts=str(facts),
        )


def _tell_full(wanted: Wanted) -> None:
    for hook in wanted.due.hooks:
        log.warning(
            _EVENTS[wanted.place.folder],
            hook="quiet",
            hook_name=hook,
            mailbox=wanted.place.path,
            email_id=wanted.stem,
            reason=f"{MOST_WAITING} firings of this owner wait already",
        )


def told(rows: Iterable[Row]) -> Iterator[int]:
    """Tell of what was interrupted; gives the numbers."""
    for row in rows:
        log.error(
            _EVENTS[row.place.folder],
            hook="interrupted",
            hook_name=row.hook,
            mailbox=row.place.path,
            email_id=row.stem,
            reason="it had begun when the engine ended; whether it finished is unknown, and it is"
            " not run again",
        )
        yield row.number
