"""What the queue owes to mailboxes: the sent copy, bounces, and what the copy says later."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from aimx.outbound.queue import rows
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.rows import Event, Message
from aimx.outbound.queue.states import OPEN, Halt, State

# How long a message that is closed can be looked at.
_REMEMBERED = timedelta(days=7)
# How long one waits for a person to decide whose fate nobody knows.
_DOUBTED = timedelta(days=30)


class Debts:
    """Which messages are owed something. All calls come from one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owed(self) -> list[str]:
        """The messages that anything is to be done about; asked once, at the start."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT message FROM history WHERE pending = 1"
                " UNION SELECT message FROM recipients WHERE bounce = 1"
                " UNION SELECT id FROM messages WHERE closed IS NULL AND (stem = '' OR NOT EXISTS"
                " (SELECT 1 FROM recipients WHERE message = id AND state NOT IN"
                " ('delivered', 'failed', 'cancelled')))"
            )
            return [name for (name,) in found]

    def message(self, name: str) -> Message | None:
        with self._database.reading() as connection:
            return rows.message(connection, name)

    def pending(self, name: str) -> list[Event]:
        """What the sent copy does not say yet, in order."""
        with self._database.reading() as connection:
            return [event for event in rows.events(connection, name) if event.pending]

    def placed(self, name: str, stem: str) -> None:
        """The sent copy has this stem."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE messages SET stem = ? WHERE id = ?", (stem, name))

    def told(self, name: str, number: int) -> None:
        """The sent copy says what this event was, and its hooks fire."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE history SET pending = 0 WHERE message = ? AND number = ?", (name, number)
            )

    def bounced(self, name: str, places: Collection[int]) -> None:
        """Their failure is in the sender's mailbox."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE recipients SET bounce = 0 WHERE message = ? AND place = ?",
                [(name, place) for place in places],
            )

    def close(self, name: str, now: float) -> bool:
        """Whether nothing is left to do about it, which is on record then."""
        with self._database.transaction() as connection:
            found = rows.message(connection, name)
            if found is None or found.closed is not None:
                return found is not None
            events = rows.events(connection, name)
            if not is_done(found) or any(event.pending for event in events):
                return False
            connection.execute("UPDATE messages SET closed = ? WHERE id = ?", (now, name))
            return True

    def forget(self, now: float) -> list[str]:
        """Forget what was closed long ago; gives what was in doubt for too long, closed now."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM messages WHERE closed < ?", (now - _REMEMBERED.total_seconds(),)
            )
            doubted = [
                name
                for (name,) in connection.execute(
                    "SELECT id FROM messages WHERE closed IS NULL AND queued < ? AND NOT EXISTS"
                    " (SELECT 1 FROM recipients WHERE message = id AND state IN"
                    " ('queued', 'deferred', 'leaving', 'held'))",
                    (now - _DOUBTED.total_seconds(),),
                )
            ]
            connection.executemany(
                "UPDATE messages SET closed = ? WHERE id = ?", [(now, name) for name in doubted]
            )
        return doubted


def is_done(message: Message) -> bool:
    """Whether nothing of it will be sent any more, and its mailbox has all that it is owed."""
    settled = OPEN if message.halt is Halt.CANCELLED else OPEN | {State.UNKNOWN}
    return bool(message.stem) and not any(
        each.state in settled or each.open or each.bounce for each in message.recipients
    )
