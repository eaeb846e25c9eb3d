"""What a person may want of a message that waits, and what they are shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from aimx.outbound.queue import rows
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.recipient import Recipient, sentence
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import Halt, State, halted, resumed

# When a recipient may be tried by a wish; who runs the server has no patience.
_SOONEST = (
    "CASE :patience WHEN 0 THEN 0 ELSE :patience + coalesce((SELECT max(at) FROM history WHERE"
    " history.message = recipients.message AND history.destination <> ''), 0) END"
)


class Steering:
    """The messages, as commands see them. All calls come from one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> Message | None:
        """None where there is no such message, or it is forgotten already."""
        with self._database.reading() as connection:
            return rows.message(connection, name)

    def events(self, name: str) -> list[Event]:
        with self._database.reading() as connection:
            return rows.events(connection, name)

    def waiting(self, authors: Collection[str] | None, most: int) -> list[Message]:
        """The oldest that are not closed, of these mailboxes or of all."""
        with self._database.reading() as connection:
            return rows.messages(connection, authors, most)

    def count(self, authors: Collection[str] | None) -> int:
        """How many there are of those."""
        with self._database.reading() as connection:
            named = {"authors": json.dumps(authors and list(authors))}
            found = connection.execute(
                f"SELECT count(*) FROM messages WHERE {rows.of(authors)}", named
            )
            return int(found.fetchone()[0])

    def hold(self, name: str, now: float, until: float | None = None) -> Message | None:
        """Let it wait until it is released, or until then. Content that is leaving is not called
        back.
        """
        return self._halted(name, Halt.HELD, now, until)

    def cancel(self, name: str, now: float) -> Message | None:
        """Try nobody again. Who may have it, or has it, is not touched."""
        return self._halted(name, Halt.CANCELLED, now)

    def release(self, name: str, now: float, patience: float = 0.0) -> Message | None:
        """Go on with it now, but so many seconds after the last attempt at the soonest."""
        state = partial(_resumed, doubtful=False)
        return self._resume(name, now, state, patience)

    def retry(self, name: str, now: float, patience: float = 0.0) -> Message | None:
        """Try it likewise, also for those who may have it already."""
        state = partial(_resumed, doubtful=True)
        return self._resume(name, now, state, patience)

    def retry_all(self, authors: Collection[str] | None, now: float, patience: float = 0.0) -> int:
        """Try likewise what waits for its time; gives how many messages are tried now. What is held
        stays so.
        """
        waiting = (
            f"{rows.IS_WAITING} AND message IN (SELECT id FROM messages WHERE {rows.of(authors)})"
        )
        words = {"now": now, "patience": patience}
        with self._database.transaction() as connection:
            found = connection.execute(
                f"SELECT message, place, {_SOONEST} AS soonest FROM recipients"
                f" WHERE {waiting} AND due > max(:now, soonest)",
                {"authors": json.dumps(authors and list(authors)), **words},
            ).fetchall()
            connection.executemany(
                "UPDATE recipients SET due = ? WHERE message = ? AND place = ?",
                [(max(now, soonest), name, place) for name, place, soonest in found],
            )
        return len({name for name, _, soonest in found if soonest <= now})

    def _halted(
        self, name: str, halt: Halt, now: float, until: float | None = None
    ) -> Message | None:
        with self._database.transaction() as connection:
            found = rows.message(connection, name)
            if found is None or found.closed is not None:
                return found
            _halt(connection, name, halt, until)
            changed = _changed(found, now, lambda each: halted(each.state, halt))
            rows.save(connection, name, changed)
            if halt is Halt.CANCELLED and changed:
                said = (State.CANCELLED.value, sentence(changed))
                rows.note(connection, name, now, "", said)
            return rows.message(connection, name)

    def _resume(
        self, name: str, now: float, state: Callable[[Recipient], State], patience: float
    ) -> Message | None:
        with self._database.transaction() as connection:
            found = rows.message(connection, name)
            if found is None or found.closed is not None:
                return found
            _halt(connection, name, Halt.NOT)
            rows.save(connection, name, _changed(found, now, state))
            connection.execute(
                f"UPDATE recipients SET due = max(min(due, :now), {_SOONEST})"
                " WHERE message = :message",
                {"now": now, "patience": patience, "message": name},
            )
            return rows.message(connection, name)


def _halt(
    connection: sqlite3.Connection, name: str, halt: Halt, until: float | None = None
) -> None:
    connection.execute(
        "UPDATE messages SET halt = ?, held_until = ? WHERE id = ?", (halt.value, until, name)
    )


def _resumed(recipient: Recipient, *, doubtful: bool) -> State:
    return resumed(recipient.state, recipient.attempts, doubtful=doubtful)


def _changed(found: Message, now: float, state: Callable[[Recipient], State]) -> list[Recipient]:
    """Those who become something else."""
    changed = [replace(each, state=state(each), changed=now) for each in found.recipients]
    return [
        new
        for old, new in zip(found.recipients, changed, strict=True)
        if old.state is not new.state
    ]
