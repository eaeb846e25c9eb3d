"""SQLite files that are not as they were written: known by what comes of them, and kept aside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_TEXT = "Could not decode to UTF-8"  # How Python says it, without a code.
_FILES = ("", "-wal", "-shm")  # Of one database.
_COLUMNS = (
    "SELECT lower(t.name), lower(c.name) FROM sqlite_schema AS t"
    " JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
)


class NonsenseError(sqlite3.DatabaseError):
    """SQLite reads it, and it is nothing that we can have written."""


def is_corrupt(cause: BaseException) -> bool:
    """Whether the file is damaged, and not only out of reach."""
    if isinstance(cause, NonsenseError):
        return True
    code = _code(cause)
    return code in _CORRUPT or (code is None and str(cause).startswith(_NO_TEXT))


def is_foreign(cause: BaseException) -> bool:
    """Whether the tables may be others than ours, where our statements are known to be right."""
    return is_corrupt(cause) or _code(cause) == sqlite3.SQLITE_ERROR


def _code(cause: BaseException) -> int | None:
    """Without what SQLite adds to tell of its kinds."""
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def making_sense(of: str) -> Iterator[None]:
    """What is read within is no value of ours where it raises `NonsenseError`."""
    try:
        yield
    # SQLite's own errors quote what cannot be read, and are then no text to Python either.
    except (ValueError, TypeError, OverflowError) as cause:
        raise NonsenseError(f"{of} makes no sense: {cause}") from cause


def require_whole(connection: sqlite3.Connection) -> None:
    """Raises `NonsenseError` where SQLite's own look at it finds something."""
    verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise NonsenseError(verdict)
    if alone := connection.execute("PRAGMA foreign_key_check").fetchone():
        raise NonsenseError(f"a row of {alone[0]} belongs to none of {alone[2]}")


def require_form(
    connection: sqlite3.Connection, made: Callable[[sqlite3.Connection], object]
) -> None:
    """Raises `NonsenseError` where a table or column is missing that `made` makes in a new one,
    and SQLite's error where nothing could be written to a table."""
    with contextlib.closing(sqlite3.connect(":memory:")) as new:
        made(new)
        columns = {*new.execute(_COLUMNS)}
    missing = columns - {*connection.execute(_COLUMNS)}
    if missing:
        table, column = min(missing)
        raise NonsenseError(f"there is no column {column} of {table}")
    for table in sorted({table for table, _ in columns} - {"sqlite_sequence"}):
        # Its indices and what it refers to are read for that.
        connection.execute(f"EXPLAIN INSERT INTO {table} DEFAULT VALUES")


def set_aside(path: Path) -> str:
    """Rename the database, so that a new one can be begun; gives what it is called now.

    Raises `OSError`. Nobody may have it open.
    """
    aside = f"{path}.set-aside-{datetime.now(UTC):%Y-%m-%dT%H%M%S%fZ}"
    for suffix in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    return aside
