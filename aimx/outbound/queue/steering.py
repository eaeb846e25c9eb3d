"""What a person may want of a message that waits, and what they are shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace

from aimx.outbound.queue import rows
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.recipient import Recipient, sentence
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import Halt, State, halted, resumed


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
            named = json.dumps(authors and list(authors))
            found = connection.execute(
                f"SELECT count(*) FROM messages WHERE {rows.of(authors)}", (named,)
            )
            return int(found.fetchone()[0])

    def hold(self, name: str, now: float) -> Message | None:
        """Let it wait until it is released. Content that is leaving is not called back."""
        return self._halted(name, Halt.HELD, now)

    def cancel(self, name: str, now: float) -> Message | None:
        """Try nobody again. Who may have it, or has it, is not touched."""
        return self._halted(name, Halt.CANCELLED, now)

    def release(self, name: str, now: float) -> Message | None:
        """Go on with it now."""
        return self._resumed(name, now, lambda each: resumed(each.state, each.attempts))

    def retry(self, name: str, now: float) -> Message | None:
        """Try it now, also for those who may have it already."""
        return self._resumed(
            name, now, lambda each: resumed(each.state, each.attempts, doubtful=True)
        )

    def retry_all(self, authors: Collection[str] | None, now: float) -> int:
        """Try now what waits for its time; gives how many messages. What is held stays so."""
        waiting = (
            "state IN ('queued', 'deferred') AND message IN"
            f" (SELECT id FROM messages WHERE {rows.of(authors)}) AND due > ?"
        )
        named = json.dumps(authors and list(authors))
        with self._database.transaction() as connection:
            (number,) = connection.execute(
                f"SELECT count(DISTINCT message) FROM recipients WHERE {waiting}",
                (named, now),
            ).fetchone()
            connection.execute(
                f"UPDATE recipients SET due = ? WHERE {waiting}",
                (now, named, now),
            )
        return int(number)

    def _halted(self, name: str, halt: Halt, now: float) -> Message | None:
        with self._database.transaction() as connection:
            found = rows.message(connection, name)
            if found is None or found.closed is not None:
                return found
            _halt(connection, name, halt)
            changed = _changed(found, now, lambda each: halted(each.state, halt))
            rows.save(connection, name, changed)
            if halt is Halt.CANCELLED and changed:
                said = (State.CANCELLED.value, sentence(changed))
                rows.note(connection, name, now, "", said)
            return rows.message(connection, name)

    def _resumed(
        self, name: str, now: float, state: Callable[[Recipient], State]
    ) -> Message | None:
        with self._database.transaction() as connection:
            found = rows.message(connection, name)
            if found is None or found.closed is not None:
                return found
            _halt(connection, name, Halt.NOT)
            rows.save(connection, name, _changed(found, now, state))
            connection.execute(
                "UPDATE recipients SET due = min(due, ?) WHERE message = ?", (now, name)
            )
            return rows.message(connection, name)


def _halt(connection: sqlite3.Connection, name: str, halt: Halt) -> None:
    connection.execute("UPDATE messages SET halt = ? WHERE id = ?", (halt.value, name))


def _changed(found: Message, now: float, state: Callable[[Recipient], State]) -> list[Recipient]:
    """Those who become something else."""
    changed = [replace(each, state=state(each), changed=now) for each in found.recipients]
    return [
        new
        for old, new in zip(found.recipients, changed, strict=True)
        if old.state is not new.state
    ]
