"""SQLite files that cannot be read any more: known by their error, and kept out of the way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FILES = ("", "-wal", "-shm")  # Of one database.


def is_corrupt(cause: BaseException) -> bool:
    return getattr(cause, "sqlite_errorcode", None) in _CORRUPT


def set_aside(path: Path) -> str:
    """Rename the database, so that a new one can be begun; gives what it is called now.

    Raises `OSError`. Nobody may have it open.
    """
    aside = f"{path}.set-aside-{datetime.now(UTC):%Y-%m-%dT%H%M%S%fZ}"
    for suffix in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    return aside
