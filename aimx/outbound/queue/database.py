"""`queue.db`: opened, brought to this release's form, and set aside where it is damaged.

Whoever opens it holds the lock of its directory, so nobody else works on it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import structlog

from aimx.damaged import (
    is_corrupt,
    is_foreign,
    making_sense,
    require_form,
    require_whole,
    set_aside,
)
from aimx.outbound.queue.schema import MIGRATIONS
from aimx.outbound.transactions import Transactions

NAME = "queue.db"
_KEYS = "keys.db"  # Where an earlier release kept the idempotency keys.
_OF_KEYS = "uid, key, run, settled, code, text, began"

log = structlog.get_logger()


class QueueError(Exception):
    """The queue cannot be read or written now; says why."""


class DamagedError(QueueError):
    """Its file is damaged. Whoever opens it next sets it aside."""


class Database:
    """One connection. Every transaction is durable when it, or its group, has ended."""

    def __init__(self, directory: Path, begun: Callable[[sqlite3.Connection], None]) -> None:
        """`begun` fills one that is begun anew, in the same transaction; raises `QueueError`."""
        self._path = directory / NAME
        self.is_damaged = False  # Somebody has met damage in it.
        try:
            try:
                self._take(_connected(self._path), begun)
            except sqlite3.DatabaseError as cause:
                if not is_foreign(cause):
                    raise
                self._take(self._renewed(str(cause)), begun)
            if (directory / _KEYS).exists():
                self._take_over_keys(directory / _KEYS)
        except (sqlite3.Error, OSError) as cause:
            raise QueueError(f"{self._path}: {cause}") from cause

    def close(self) -> None:
        self.connection.close()

    def give_up(self) -> None:
        """Close it, and have whoever opens it next begin anew."""
        self.close()
        try:
            self._set_aside("damage is met in it time and again")
        except OSError as cause:
            log.error("the queue is damaged and stays", path=str(self._path), reason=str(cause))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing; raises `QueueError`."""
        try:
            with self._transactions.one() as connection:
                yield connection
        except sqlite3.Error as cause:
            raise self._error(cause) from cause

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Transactions that become durable at once; raises `QueueError`, and none is done."""
        try:
            with self._transactions.together():
                yield
        except sqlite3.Error as cause:
            raise self._error(cause) from cause

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Raises `QueueError`."""
        try:
            yield self.connection
        except sqlite3.Error as cause:
            raise self._error(cause) from cause

    def _error(self, cause: sqlite3.Error) -> QueueError:
        self.is_damaged |= is_corrupt(cause)
        return (DamagedError if is_corrupt(cause) else QueueError)(f"{self._path}: {cause}")

    def _take(
        self, connection: sqlite3.Connection, begun: Callable[[sqlite3.Connection], None]
    ) -> None:
        """Work with it from now on; raises `sqlite3.Error`, and then it is closed."""
        self.connection, self._transactions = connection, Transactions(connection)
        try:
            with making_sense(str(self._path)):
                require_whole(connection)
                self._migrate(begun)
                require_form(connection, _made)
        except BaseException:
            connection.close()
            raise

    def _renewed(self, reason: str) -> sqlite3.Connection:
        self._set_aside(reason)
        return _connected(self._path)

    def _set_aside(self, reason: str) -> None:
        aside = set_aside(self._path)
        log.critical(
            "the queue cannot be read and is begun anew: what a host may have of it is taken up as"
            " unknown, and idempotency keys used before are forgotten",
            path=str(self._path),
            kept_as=aside,
            reason=reason,
        )

    def _migrate(self, begun: Callable[[sqlite3.Connection], None]) -> None:
        version: int = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise QueueError(
                f"{self._path} was made by a newer aimx: run that one, or move the file away"
            )
        if version == len(MIGRATIONS):
            return
        with self._transactions.one() as connection:
            _made(connection, version)
            if version == 0:
                begun(connection)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _take_over_keys(self, path: Path) -> None:
        """What an earlier release knew, in one transaction; a second time it is the same."""
        try:
            with making_sense(str(path)):
                self.connection.execute("ATTACH ? AS earlier", (str(path),))
                self.connection.execute(
                    f"INSERT OR IGNORE INTO keys ({_OF_KEYS}) SELECT {_OF_KEYS} FROM earlier.keys"
                )
                self.connection.execute("DETACH earlier")
        except sqlite3.DatabaseError as cause:
            log.error("idempotency keys cannot be taken over", path=str(path), reason=str(cause))
            return
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _made(connection: sqlite3.Connection, since: int = 0) -> None:
    """The tables, brought from one release's form to this one's."""
    for statement in chain.from_iterable(MIGRATIONS[since:]):
        connection.execute(statement)


def _connected(path: Path) -> sqlite3.Connection:
    # One thread at a time uses it; which one may change.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with making_sense(str(path)):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
