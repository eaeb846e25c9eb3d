"""The file `placed.db`: opened, and begun anew where it is corrupt."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import structlog

from aimx.damaged import (
    is_corrupt,
    is_foreign,
    making_sense,
    require_form,
    require_whole,
    set_aside,
)
from aimx.placing import firings

NAME = "placed.db"
# Rows stand in the order in which they came, so that those of a batch are written, and later
# confirmed, on few pages; a fingerprint, which is random, dirties one of the index alone. Nothing
# finds open rows but a look at all of them, once at the start.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS placed (
    fingerprint BLOB PRIMARY KEY,
    domain TEXT NOT NULL,
    folder INTEGER NOT NULL,
    name TEXT NOT NULL,
    stem TEXT NOT NULL,
    inode TEXT NOT NULL,  -- Some file systems use all 64 bits, and SQLite's integers are signed.
    placed INTEGER NOT NULL,
    hit REAL NOT NULL,
    mailbox TEXT NOT NULL DEFAULT ''
);
DROP INDEX IF EXISTS placed_open;
"""
_LATER = "ALTER TABLE placed ADD COLUMN mailbox TEXT NOT NULL DEFAULT ''"

log = structlog.get_logger()


class RowsError(Exception):
    """The database cannot be read or written now."""


class Database:
    """One connection to it, and to the one that is begun anew where it turns out corrupt."""

    def __init__(self, path: Path, opened: Callable[[sqlite3.Connection], None]) -> None:
        """`opened` looks at each database before anything else is done with it."""
        self._path = path
        self._looked_at = opened
        try:
            try:
                self._connection = _opened(path, opened)
            except sqlite3.DatabaseError as cause:
                if not is_foreign(cause):
                    raise
                self._connection = _renewed(path, str(cause), opened)
        except sqlite3.Error as cause:
            raise RowsError(f"{path} cannot be opened: {cause}") from cause

    def close(self) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, durably, or nothing."""
        with self as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def __enter__(self) -> sqlite3.Connection:
        """What is read. Whoever meets an error of SQLite's meanwhile raises `RowsError`."""
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, sqlite3.Error):
            return
        if is_corrupt(error):
            self._connection.close()
            self._connection = _renewed(self._path, str(error), self._looked_at)
        raise RowsError(f"{self._path} cannot be used: {error}") from error


def _opened(path: Path, looked_at: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        with making_sense(str(path)):
            database.execute("PRAGMA journal_mode = WAL")
            # A row must survive a power cut that its message survives.
            database.execute("PRAGMA synchronous = FULL")
            _make(database)
            require_form(database, _make)
            require_whole(database)
            looked_at(database)
    except BaseException:
        database.close()
        raise
    return database


def _make(database: sqlite3.Connection) -> None:
    database.executescript(_SCHEMA + firings.SCHEMA)
    columns = database.execute("SELECT name FROM pragma_table_info('placed')").fetchall()
    if ("mailbox",) not in columns:
        database.execute(_LATER)


def _renewed(
    path: Path, reason: str, looked_at: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    aside = set_aside(path)
    log.error(
        "the record of placed mail was corrupt and is begun anew: mail that is sent again"
        " is kept again",
        path=str(path),
        kept_as=aside,
        reason=reason,
    )
    return _opened(path, looked_at)
