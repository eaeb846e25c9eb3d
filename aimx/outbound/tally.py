"""What each mailbox has sent of late, on disk: how many messages, and to whom for the first time.

A day is the last 24 hours, whatever the clock's date. Every change is durable when it returns, and
is made under a lock, so that of two messages that come at once one sees the other counted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from aimx.damaged import (
    is_corrupt,
    is_foreign,
    making_sense,
    require_form,
    set_aside,
)
from aimx.outbound import spent
from aimx.outbound.spent import Spent
from aimx.outbound.transactions import Transactions
from aimx.outbound.turns import Turns

NAME = "tally.db"
_SURE = 3600.0  # Seconds until a clock is believed that says that what was sent is not yet.

log = structlog.get_logger()


class Tally:
    """Every call raises `sqlite3.Error` where the database cannot be read or written now."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds, and nobody sets it."""
        self.turns = Turns("tally", self.together)  # What is counted at once is flushed once.
        self._path = directory / NAME
        self._lock = threading.RLock()  # Whoever counts does so in a thread.
        self._transactions: Transactions | None = None
        self._depth, self._damage = 0, ""
        self._tidied: set[str] = set()  # Mailboxes, since the start.
        self._clock = clock
        self._ahead: dict[str, float] = {}  # Since when a mailbox has sent what is not yet.

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
                spent.carry(database, former, mailbox)
            if self._was_ahead(database, now, mailbox):
                spent.set_right(database, now, mailbox)
            spent.pass_on(database, now, mailbox)
            if mailbox not in self._tidied:
                spent.forget(database, now, mailbox)
                self._tidied.add(mailbox)
            if not admits(Spent(database, mailbox, addresses)):
                return None
            return spent.count(database, mailbox, addresses, now)

    def _was_ahead(self, database: sqlite3.Connection, now: datetime, mailbox: str) -> bool:
        """Whether the clock was ahead when it sent. For an hour it may as well be behind now."""
        if not spent.is_ahead(database, now, mailbox):
            self._ahead.pop(mailbox, None)
            return False
        since = self._ahead.setdefault(mailbox, self._clock())
        return self._clock() - since >= _SURE

    def give_back(self, number: int) -> None:
        """Nobody was asked to take it."""
        with self._transaction() as database:
            spent.uncount(database, number)

    def forgive(self, number: int, now: datetime, admits: Callable[[int, int], bool]) -> bool:
        """It was tried, and nobody got it: it does not count, if `admits` says so of how many there
        are of these in a day with it, and of how many recipients they were the first for.
        """
        with self._transaction() as database:
            return spent.forgive(database, number, now, admits)

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
            if not is_foreign(cause):
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
        with making_sense(str(path)):
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            _make(database)
            require_form(database, _make)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _make(database: sqlite3.Connection) -> None:
    database.executescript(spent.SCHEMA)
