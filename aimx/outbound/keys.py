"""Idempotency keys: the same key of the same caller never sends twice, whatever dies in between.

What was begun and not settled by a process that is no more is unknown: it may have gone out, so
it is never sent again by itself.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeAlias

LONGEST_KEY = 255
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CallersKey:
    """A key, and whose it is."""

    uid: int
    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of it the first time: a code, empty for success, and the text beside it."""

    code: str
    text: str


class Standing(Enum):
    """Where a key stands that has no outcome."""

    FRESH = auto()  # It is ours to send.
    UNDER_WAY = auto()  # Another submission of it is being sent.
    UNKNOWN = auto()  # Whether it went out, nobody can say.


Found: TypeAlias = Settled | Standing


class Keys:
    """The keys of all callers, in `queue.db`. Outside of a transaction each change is durable."""

    def __init__(self, connection: sqlite3.Connection, run: str) -> None:
        """The connection is in autocommit mode, and the caller's."""
        self._run = run
        self._database = connection

    def begin(self, uid: int, key: str, now: datetime) -> Found:
        """Claim the key, or tell what stands in the way."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            return self.claim(uid, key, now.timestamp())

    def claim(self, uid: int, key: str, now: float) -> Found:
        """`begin`, in a transaction of the caller's.

        That the same message is handed in is not checked: a retry has another date and id.
        """
        self._database.execute("DELETE FROM keys WHERE began < ?", (now - KEPT.total_seconds(),))
        found = self.look(uid, key)
        if found is Standing.FRESH:
            self._database.execute(
                "INSERT INTO keys VALUES (?, ?, ?, 0, '', '', ?)", (uid, key, self._run, now)
            )
        return found

    def look(self, uid: int, key: str) -> Found:
        """How it stands, without claiming it."""
        row = self._database.execute(
            "SELECT run, settled, code, text FROM keys WHERE uid = ? AND key = ?", (uid, key)
        ).fetchone()
        return Standing.FRESH if row is None else self._found(*row)

    def settle(self, uid: int, key: str, outcome: Settled) -> None:
        """This is what became of it, and what the next one who asks is told."""
        self._database.execute(
            "UPDATE keys SET settled = 1, code = ?, text = ? WHERE uid = ? AND key = ?",
            (outcome.code, outcome.text, uid, key),
        )

    def doubt(self, uid: int, key: str) -> None:
        """Nobody can say any more what became of it."""
        self._database.execute(
            "UPDATE keys SET run = '' WHERE uid = ? AND key = ? AND settled = 0", (uid, key)
        )

    def release(self, uid: int, key: str) -> None:
        """Nothing went out: the key may be used again."""
        self._database.execute("DELETE FROM keys WHERE uid = ? AND key = ?", (uid, key))

    def _found(self, run: str, settled: int, code: str, text: str) -> Found:
        if settled:
            return Settled(code, text)
        return Standing.UNDER_WAY if run == self._run else Standing.UNKNOWN
