"""What each mailbox has spent of its day: the tables, what is asked of them, and what changes them.

Whoever calls has begun a transaction, and ends it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from aimx.damaged import making_sense

DAY = timedelta(hours=24)
# Since the last message to somebody, at least: it is looked at once a start.
KNOWN = timedelta(days=365)

# `recipients` are those of `sends`, which hold a day. Whoever was written to before is in `known`.
SCHEMA = """
CREATE TABLE IF NOT EXISTS sends (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- Of one that was given back nobody else gets it.
    mailbox TEXT NOT NULL,
    at REAL NOT NULL                       -- Seconds since 1970.
) STRICT;
CREATE INDEX IF NOT EXISTS sends_of ON sends (mailbox, at);
CREATE TABLE IF NOT EXISTS recipients (
    mailbox TEXT NOT NULL,
    address TEXT NOT NULL,                 -- In lower case.
    send INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (mailbox, address, send)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgiven (     -- Sends of the last day that nobody got.
    mailbox TEXT NOT NULL,
    at REAL NOT NULL,
    firsts INTEGER NOT NULL                -- To how many for the first time.
) STRICT;
CREATE INDEX IF NOT EXISTS forgiven_of ON forgiven (mailbox, at);
CREATE INDEX IF NOT EXISTS recipients_of ON recipients (send);
CREATE INDEX IF NOT EXISTS recipients_by_age ON recipients (mailbox, at);
CREATE TABLE IF NOT EXISTS known (
    mailbox TEXT NOT NULL,
    address TEXT NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (mailbox, address)
) STRICT, WITHOUT ROWID;
"""
_AHEAD = (
    "SELECT 1 FROM sends WHERE mailbox = :mailbox AND at > :now LIMIT 1",
    "SELECT 1 FROM forgiven WHERE mailbox = :mailbox AND at > :now LIMIT 1",
)
_SET_RIGHT = (
    "UPDATE sends SET at = :now WHERE at > :now AND mailbox = :mailbox",
    "UPDATE recipients SET at = :now WHERE at > :now AND mailbox = :mailbox",
    "UPDATE forgiven SET at = :now WHERE at > :now AND mailbox = :mailbox",
)
_PASS_ON = (
    "INSERT INTO known SELECT mailbox, address, MAX(at) FROM recipients"
    " WHERE at <= :until AND mailbox = :mailbox GROUP BY mailbox, address"
    " ON CONFLICT DO UPDATE SET last = MAX(last, excluded.last)",
    "DELETE FROM recipients WHERE at <= :until AND mailbox = :mailbox",
    "DELETE FROM sends WHERE at <= :until AND mailbox = :mailbox",
)
_CARRY = (
    "UPDATE sends SET mailbox = :mailbox WHERE mailbox = :former",
    "UPDATE recipients SET mailbox = :mailbox WHERE mailbox = :former",
    "UPDATE forgiven SET mailbox = :mailbox WHERE mailbox = :former",
    "INSERT INTO known SELECT :mailbox, address, last FROM known WHERE mailbox = :former"
    " ON CONFLICT DO UPDATE SET last = MAX(last, excluded.last)",
    "DELETE FROM known WHERE mailbox = :former",
)
_KNOWN = (
    "SELECT 1 FROM known WHERE mailbox = ? AND address = ?",
    "SELECT 1 FROM recipients WHERE mailbox = ? AND address = ? LIMIT 1",
)
# Who was in nobody's day before.
_NEW = (
    "FROM recipients AS one WHERE mailbox = ? AND NOT EXISTS (SELECT 1 FROM known"
    " WHERE known.mailbox = one.mailbox AND known.address = one.address)"
)
# Whom this message alone was written to, of all that the mailbox has sent.
_FIRSTS_OF = (
    "SELECT COUNT(*) FROM recipients AS one WHERE send = ? AND NOT EXISTS (SELECT 1 FROM known"
    " WHERE known.mailbox = one.mailbox AND known.address = one.address) AND NOT EXISTS (SELECT 1"
    " FROM recipients AS other WHERE other.mailbox = one.mailbox AND other.address = one.address"
    " AND other.send <> one.send)"
)
_FORGIVEN = "SELECT COUNT(*), COALESCE(SUM(firsts), 0) FROM forgiven WHERE mailbox = ?"
_FIRSTS = f"SELECT COUNT(DISTINCT address) {_NEW}"
_FIRST_AT = f"SELECT MIN(at) AS first {_NEW} GROUP BY address ORDER BY first LIMIT 1 OFFSET ?"


class Spent:
    """What a mailbox has used up of its day, before one more message to these is counted.

    Asked for, and not told: somebody may have sent a hundred thousand.
    """

    def __init__(
        self, database: sqlite3.Connection, mailbox: str, addresses: Sequence[str]
    ) -> None:
        self._database = database
        self._mailbox = mailbox
        self._addresses = addresses

    @property
    def sends(self) -> int:
        return int(self._one("SELECT COUNT(*) FROM sends WHERE mailbox = ?"))

    def send_at(self, place: int) -> datetime:
        """When the message of this place was sent, the oldest one's being 0."""
        ordered = "SELECT at FROM sends WHERE mailbox = ? ORDER BY at LIMIT 1 OFFSET ?"
        return _time(self._one(ordered, place))

    @property
    def firsts(self) -> int:
        """To how many it wrote for the first time."""
        return int(self._one(_FIRSTS))

    def first_at(self, place: int) -> datetime:
        """When, the oldest one's place being 0."""
        return _time(self._one(_FIRST_AT, place))

    @property
    def adds(self) -> int:
        """To how many it has never written."""
        return sum(not self._is_known(address) for address in self._addresses)

    def _is_known(self, address: str) -> bool:
        named = (self._mailbox, address)
        return any(self._database.execute(each, named).fetchone() for each in _KNOWN)

    def _one(self, statement: str, *more: int) -> float:
        with making_sense(f"what {self._mailbox} has sent"):
            (found,) = self._database.execute(statement, (self._mailbox, *more)).fetchone()
            return float(found)


def pass_on(database: sqlite3.Connection, now: datetime, mailbox: str) -> None:
    """What is a day old is no more counted, and its recipients are known."""
    for statement in _PASS_ON:
        database.execute(statement, {"until": (now - DAY).timestamp(), "mailbox": mailbox})


def is_ahead(database: sqlite3.Connection, now: datetime, mailbox: str) -> bool:
    """Whether something was written down that is of a time to come."""
    words = {"now": now.timestamp(), "mailbox": mailbox}
    return any(database.execute(each, words).fetchone() for each in _AHEAD)


def set_right(database: sqlite3.Connection, now: datetime, mailbox: str) -> None:
    """What was written down while the clock was ahead is of now: else it would count until then."""
    for statement in _SET_RIGHT:
        database.execute(statement, {"now": now.timestamp(), "mailbox": mailbox})


def carry(database: sqlite3.Connection, former: str, mailbox: str) -> None:
    """What a mailbox has used up it keeps when it is moved."""
    for statement in _CARRY:
        database.execute(statement, {"former": former, "mailbox": mailbox})


def forget(database: sqlite3.Connection, now: datetime, mailbox: str) -> None:
    """Whom it has not written to for so long is new to it again."""
    forgotten = (now - KNOWN).timestamp()
    database.execute("DELETE FROM known WHERE mailbox = ? AND last < ?", (mailbox, forgotten))


def count(
    database: sqlite3.Connection, mailbox: str, addresses: Sequence[str], now: datetime
) -> int:
    """Write down a message to these; gives its number."""
    at = now.timestamp()
    made = database.execute("INSERT INTO sends (mailbox, at) VALUES (?, ?)", (mailbox, at))
    number = made.lastrowid
    assert number is not None
    rows = [(mailbox, address, number, at) for address in addresses]
    database.executemany("INSERT INTO recipients VALUES (?, ?, ?, ?)", rows)
    return number


def uncount(database: sqlite3.Connection, number: int) -> None:
    database.execute("DELETE FROM recipients WHERE send = ?", (number,))
    database.execute("DELETE FROM sends WHERE id = ?", (number,))


def forgive(
    database: sqlite3.Connection, number: int, now: datetime, admits: Callable[[int, int], bool]
) -> bool:
    """Uncount it, if `admits` says so of how many there are forgiven in a day with it, and of how
    many recipients they were the first for."""
    found = database.execute("SELECT mailbox FROM sends WHERE id = ?", (number,)).fetchone()
    if found is None:
        return True
    (mailbox,), until = found, (now - DAY).timestamp()
    database.execute("DELETE FROM forgiven WHERE mailbox = ? AND at <= ?", (mailbox, until))
    (firsts,) = database.execute(_FIRSTS_OF, (number,)).fetchone()
    sends, known = database.execute(_FORGIVEN, (mailbox,)).fetchone()
    if not admits(sends + 1, known + firsts):
        return False
    uncount(database, number)
    row = (mailbox, now.timestamp(), firsts)
    database.execute("INSERT INTO forgiven VALUES (?, ?, ?)", row)
    return True


def _time(at: float) -> datetime:
    with making_sense("when a message was sent"):
        return datetime.fromtimestamp(at, UTC)
