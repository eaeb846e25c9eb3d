"""Transactions of an SQLite connection, of which several may become durable at once.

Each is a whole: what fails is undone by itself. But none of a group is done before the group is.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator


class Transactions:
    """Of a connection in autocommit mode, which one thread at a time uses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._is_grouped = False
        self._lost: sqlite3.Error | None = None  # Why the group cannot be done any more.

    @contextlib.contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing; durable when it has ended, or with its group."""
        if self._is_grouped:
            with self._part() as connection:
                yield connection
        else:
            with self._whole() as connection:
                yield connection

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is done within becomes durable at its end; where this raises, nothing is done."""
        self._is_grouped, self._lost = True, None
        try:
            yield
            if self._lost is not None:
                raise self._lost
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")
        finally:
            self._is_grouped = False
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _whole(self) -> Iterator[sqlite3.Connection]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _part(self) -> Iterator[sqlite3.Connection]:
        if self._lost is not None:
            raise self._lost
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("SAVEPOINT part")
        try:
            yield self.connection
        except BaseException as cause:
            self._undo(cause)
            raise
        self.connection.execute("RELEASE part")

    def _undo(self, cause: BaseException) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK TO part")
            self.connection.execute("RELEASE part")
        elif isinstance(cause, sqlite3.Error):
            # A full disk may end the whole transaction, and with it what others did in it.
            self._lost = cause
        else:
            self._lost = sqlite3.OperationalError(str(cause))
