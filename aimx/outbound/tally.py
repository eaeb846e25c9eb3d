"""What each mailbox has sent of late, on disk: how many messages, and to whom for the first time.

A day is the last 24 hours, whatever the clock's date. Every change is durable when it returns, and
is made under a lock, so that of two messages that come at once one sees the other counted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from aimx.damaged import is_corrupt, set_aside
from aimx.outbound.transactions import Transactions
from aimx.outbound.turns import Turns

NAME = "tally.db"
DAY = timedelta(hours=24)
KNOWN = timedelta(
    days=365
)  # Since the last message to them, at least: it is looked at once a start.

# `recipients` are those of `sends`, which hold a day. Whoever was written to before is in `known`.
_SCHEMA = """
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
_PASS_ON = (
    "INSERT INTO known SELECT mailbox, address, MAX(at) FROM recipients"
    " WHERE at <= :until AND mailbox = :mailbox GROUP BY mailbox, address"
    " ON CONFLICT DO UPDATE SET last = MAX(last, excluded.last)",
    "DELETE FROM recipients WHERE at <= :until AND mailbox = :mailbox",
    "DELETE FROM sends WHERE at <= :until AND mailbox = :mailbox",
)
# What a mailbox has used up it keeps when it is moved.
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

log = structlog.get_logger()


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
        (found,) = self._database.execute(statement, (self._mailbox, *more)).fetchone()
        return float(found)


class Tally:
    """Every call raises `sqlite3.Error` where the database cannot be read or written now."""

    def __init__(self, directory: Path) -> None:
        self.turns = Turns("tally", self.together)  # What is counted at once is flushed once.
        self._path = directory / NAME
        self._lock = threading.RLock()  # Whoever counts does so in a thread.
        self._transactions: Transactions | None = None
        self._depth, self._damage = 0, ""
        self._tidied: set[str] = set()  # Mailboxes, since the start.

    def count(
        self,
        mailbox: str,
        recipients: Sequence[str],
        now: datetime,
        admits: Callable[[Spent], bool],
        former: str | None = None,
    ) -> int | None:
        """Count a message, if `admits` says so of what was spent before it; gives its number.

        `former` is the address that the mailbox had before it was moved.
        """
        addresses = sorted({recipient.lower() for recipient in recipients})
        with self._transaction() as database:
            if former is not None:
                _carry(database, former, mailbox)
            _pass_on(database, now, mailbox)
            if mailbox not in self._tidied:
                _forget(database, now, mailbox)
                self._tidied.add(mailbox)
            if not admits(Spent(database, mailbox, addresses)):
                return None
            return _counted(database, mailbox, addresses, now)

    def give_back(self, number: int) -> None:
        """Nobody was asked to take it."""
        with self._transaction() as database:
            _uncount(database, number)

    def forgive(self, number: int, now: datetime, admits: Callable[[int, int], bool]) -> bool:
        """It was tried, and nobody got it: it does not count, if `admits` says so of how many there
        are of these in a day with it, and of how many recipients they were the first for.
        """
        with self._transaction() as database:
            found = database.execute("SELECT mailbox FROM sends WHERE id = ?", (number,)).fetchone()
            if found is None:
                return True
            (mailbox,), until = found, (now - DAY).timestamp()
            database.execute("DELETE FROM forgiven WHERE mailbox = ? AND at <= ?", (mailbox, until))
            (firsts,) = database.execute(_FIRSTS_OF, (number,)).fetchone()
            sends, known = database.execute(_FORGIVEN, (mailbox,)).fetchone()
            if not admits(sends + 1, known + firsts):
                return False
            _uncount(database, number)
            row = (mailbox, now.timestamp(), firsts)
            database.execute("INSERT INTO forgiven VALUES (?, ?, ?)", row)
            return True

    def close(self) -> None:
        """After what is to be counted."""
        self.turns.close()
        self._close()

    def _close(self) -> None:
        with self._lock:
            if self._transactions is not None:
                self._transactions.connection.close()
                self._transactions = None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is counted within becomes durable at its end; where this raises, nothing is."""
        with self._settled() as transactions, transactions.together():
            yield

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._settled() as transactions, transactions.one() as database:
            yield database

    @contextlib.contextmanager
    def _settled(self) -> Iterator[Transactions]:
        """Opened; what turns out to be damaged is set aside once nobody is in it any more."""
        with self._lock:
            if self._transactions is None:
                self._transactions = Transactions(self._opened())
            self._depth += 1
            try:
                yield self._transactions
            except sqlite3.DatabaseError as cause:
                if is_corrupt(cause):
                    self._damage = str(cause)
                raise
            finally:
                self._depth -= 1
                if self._damage and not self._depth:
                    self._renew()

    def _renew(self) -> None:
        reason, self._damage = self._damage, ""
        self._close()
        self._set_aside(reason)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _connected(self._path)
        except sqlite3.DatabaseError as cause:
            if not is_corrupt(cause):
                raise
            self._set_aside(str(cause))
            return _connected(self._path)

    def _set_aside(self, reason: str) -> None:
        try:
            aside = set_aside(self._path)
        except OSError as cause:
            raise sqlite3.OperationalError(f"{self._path} is damaged and stays: {cause}") from cause
        log.critical(
            "what was sent today cannot be read: the limits of all mailboxes begin anew",
            path=str(self._path),
            kept_as=aside,
            reason=reason,
        )


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _pass_on(database: sqlite3.Connection, now: datetime, mailbox: str) -> None:
    """What is a day old is no more counted, and its recipients are known."""
    for statement in _PASS_ON:
        database.execute(statement, {"until": (now - DAY).timestamp(), "mailbox": mailbox})


def _carry(database: sqlite3.Connection, former: str, mailbox: str) -> None:
    for statement in _CARRY:
        database.execute(statement, {"former": former, "mailbox": mailbox})


def _forget(database: sqlite3.Connection, now: datetime, mailbox: str) -> None:
    forgotten = (now - KNOWN).timestamp()
    database.execute("DELETE FROM known WHERE mailbox = ? AND last < ?", (mailbox, forgotten))


def _counted(
    database: sqlite3.Connection, mailbox: str, addresses: Sequence[str], now: datetime
) -> int:
    at = now.timestamp()
    made = database.execute("INSERT INTO sends (mailbox, at) VALUES (?, ?)", (mailbox, at))
    number = made.lastrowid
    assert number is not None
    rows = [(mailbox, address, number, at) for address in addresses]
    database.executemany("INSERT INTO recipients VALUES (?, ?, ?, ?)", rows)
    return number


def _uncount(database: sqlite3.Connection, number: int) -> None:
    database.execute("DELETE FROM recipients WHERE send = ?", (number,))
    database.execute("DELETE FROM sends WHERE id = ?", (number,))


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
