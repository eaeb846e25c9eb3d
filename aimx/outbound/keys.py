"""Idempotency keys: the same key of the same caller never sends twice, whatever dies in between.

What was begun and not settled by a process that is no more is unknown: it may have gone out, so
it is never sent again by itself.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol, TypeAlias

from desired.frozen import frozen

LONGEST_KEY = 255
KEPT = timedelta(days=30)


@frozen
class CallersKey:
    """A key, and whose it is."""

    uid: int
    text: str


@frozen
class Settled:
    """What became of it the first time: a code, empty for success, and the text beside it."""

    code: str
    text: str
    queued: str = ""  # The message's name in the queue; empty: it was sent at once.


class Standing(Enum):
    """Where a key stands that has no outcome."""

    FRESH = auto()  # It is ours to send.
    UNDER_WAY = auto()  # Another submission of it is being sent.
    UNKNOWN = auto()  # Whether it went out, nobody can say.


Found: TypeAlias = Settled | Standing


class UnrecordedError(Exception):
    """A key cannot be read or written now; says why."""


class KeyBook(Protocol):
    """Where keys are on record, as whoever sends at once uses it."""

    async def begin(self, key: CallersKey, now: datetime) -> Found:
        """Claim the key, or tell what stands in the way; raises `UnrecordedError`."""

    async def settle(self, key: CallersKey, outcome: Settled) -> None:
        """This is what became of it. What cannot be recorded now is remembered."""

    async def doubt(self, key: CallersKey) -> None:
        """Nobody can say any more what became of it; likewise."""

    async def release(self, key: CallersKey) -> None:
        """Nothing went out: the key may be used again; likewise."""


class Keys:
    """The keys of all callers, in `queue.db`. Each call is in a transaction of the caller's."""

    def __init__(self, connection: sqlite3.Connection, run: str) -> None:
        self._run = run
        self._database = connection

    def claim(self, uid: int, key: str, now: float) -> Found:
        """Claim the key, or tell what stands in the way.

        That the same message is handed in is not checked: a retry has another date and id.
        """
        self._database.execute("DELETE FROM keys WHERE began < ?", (now - KEPT.total_seconds(),))
        found = self.look(uid, key)
        if found is Standing.FRESH:
            self._database.execute(
                "INSERT INTO keys (uid, key, run, settled, code, text, began)"
                " VALUES (?, ?, ?, 0, '', '', ?)",
                (uid, key, self._run, now),
            )
        return found

    def look(self, uid: int, key: str) -> Found:
        """How it stands, without claiming it."""
        row = self._database.execute(
            "SELECT run, settled, code, text, message FROM keys WHERE uid = ? AND key = ?",
            (uid, key),
        ).fetchone()
        return Standing.FRESH if row is None else self._found(*row)

    def settle(self, uid: int, key: str, outcome: Settled) -> None:
        """This is what became of it, and what the next one who asks is told."""
        self._database.execute(
            "UPDATE keys SET settled = 1, code = ?, text = ?, message = ?"
            " WHERE uid = ? AND key = ?",
            (outcome.code, outcome.text, outcome.queued, uid, key),
        )

    def doubt(self, uid: int, key: str) -> None:
        """Nobody can say any more what became of it."""
        self._database.execute(
            "UPDATE keys SET run = '' WHERE uid = ? AND key = ? AND settled = 0", (uid, key)
        )

    def release(self, uid: int, key: str) -> None:
        """Nothing went out: the key may be used again."""
        self._database.execute("DELETE FROM keys WHERE uid = ? AND key = ?", (uid, key))

    def _found(self, run: str, settled: int, code: str, text: str, queued: str) -> Found:
        if settled:
            return Settled(code, text, queued)
        return Standing.UNDER_WAY if run == self._run else Standing.UNKNOWN
