"""`queue.db`: opened, brought to this release's form, and set aside where it is damaged.

Whoever opens it holds the lock of its directory, so nobody else works on it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import structlog

from aimx.outbound.queue.schema import MIGRATIONS

NAME = "queue.db"
_KEYS = "keys.db"  # Where an earlier release kept the idempotency keys.
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

log = structlog.get_logger()


class QueueError(Exception):
    """The queue cannot be read or written now; says why."""


class DamagedError(QueueError):
    """Its file is damaged. Whoever opens it next sets it aside."""


class Database:
    """One connection. Every transaction is durable when it has ended."""

    def __init__(self, directory: Path, begun: Callable[[sqlite3.Connection], None]) -> None:
        """`begun` fills one that is begun anew, in the same transaction; raises `QueueError`."""
        self._path = directory / NAME
        try:
            self.connection = self._opened()
            self._migrate(begun)
            if (directory / _KEYS).exists():
                self._take_over_keys(directory / _KEYS)
        except (sqlite3.Error, OSError) as cause:
            raise QueueError(f"{self._path}: {cause}") from cause

    def another(self) -> sqlite3.Connection:
        """A connection beside ours, for whoever cannot wait for our turn; raises `QueueError`."""
        try:
            return _connected(self._path)
        except sqlite3.Error as cause:
            raise QueueError(f"{self._path}: {cause}") from cause

    def close(self) -> None:
        self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing; raises `QueueError`."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
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
        is_damaged = getattr(cause, "sqlite_errorcode", None) in _CORRUPT
        return (DamagedError if is_damaged else QueueError)(f"{self._path}: {cause}")

    def _opened(self) -> sqlite3.Connection:
        try:
            connection = _connected(self._path)
            verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as cause:
            if getattr(cause, "sqlite_errorcode", None) not in _CORRUPT:
                raise
            return self._renewed(str(cause))
        if verdict == "ok":
            return connection
        connection.close()
        return self._renewed(verdict)

    def _renewed(self, reason: str) -> sqlite3.Connection:
        aside = f"{self._path}.set-aside-{datetime.now(UTC):%Y-%m-%dT%H%M%S%fZ}"
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", f"{aside}{suffix}")
        log.critical(
            "the queue cannot be read and is begun anew: what was in it is taken up as unknown,"
            " and idempotency keys used before are forgotten",
            path=str(self._path),
            kept_as=aside,
            reason=reason,
        )
        return _connected(self._path)

    def _migrate(self, begun: Callable[[sqlite3.Connection], None]) -> None:
        version: int = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise QueueError(
                f"{self._path} was made by a newer aimx: run that one, or move the file away"
            )
        if version == len(MIGRATIONS):
            return
        with self.transaction() as connection:
            for statement in chain.from_iterable(MIGRATIONS[version:]):
                connection.execute(statement)
            if version == 0:
                begun(connection)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _take_over_keys(self, path: Path) -> None:
        """What an earlier release knew, in one transaction; a second time it is the same."""
        try:
            self.connection.execute("ATTACH ? AS earlier", (str(path),))
            self.connection.execute("INSERT OR IGNORE INTO keys SELECT * FROM earlier.keys")
            self.connection.execute("DETACH earlier")
        except sqlite3.DatabaseError as cause:
            log.error("idempotency keys cannot be taken over", path=str(path), reason=str(cause))
            return
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    # One thread at a time uses it; which one may change.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
