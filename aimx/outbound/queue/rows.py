"""Messages of the queue between their rows and their values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

from aimx.damaged import making_sense
from aimx.outbound.queue.letters import Label
from aimx.outbound.queue.recipient import Recipient
from aimx.outbound.queue.states import Halt, State
from desired.frozen import frozen

# Of a message, beside what its sent copy does not say yet. Somebody may have it tried all day.
MOST_EVENTS = 50
LONGEST_DETAILS = 400  # Characters, of the history and of whatever is shown.
_LATEST = 2.0**37  # Seconds since 1970, which no clock says for 4,000 years.


@frozen
class Event:
    """What became of a message at one time: an attempt, or what a person did."""

    number: int
    at: float
    destination: str  # Of an attempt; else empty.
    status: str
    details: str
    pending: bool  # The sent copy does not say so yet.


@frozen
class Message:
    """A message and its recipients, in their order."""

    id: str
    author: str
    message_id: str
    subject: str
    size: int
    international: bool
    queued: float
    halt: Halt
    origin: bytes
    stem: str  # Of its sent copy; empty while that is not placed.
    closed: float | None
    recipients: tuple[Recipient, ...]
    held_until: float | None = None  # None: until a person releases it.


_MESSAGE = (
    "id, author, message_id, subject, size, international, queued, halt, held_until, origin, stem,"
    " closed"
)
IS_WAITING = "state IN ('queued', 'deferred')"  # Of a recipient; as its index has it.
_RECIPIENT = "place, address, destination, state, due, changed, attempts, told, open, bounce"


def message(connection: sqlite3.Connection, name: str) -> Message | None:
    found = connection.execute(f"SELECT {_MESSAGE} FROM messages WHERE id = ?", (name,)).fetchone()
    return None if found is None else _message(connection, found)


def messages(
    connection: sqlite3.Connection, authors: Collection[str] | None, most: int
) -> list[Message]:
    """The oldest that are not closed; of these authors, or of all."""
    found = connection.execute(
        f"SELECT {_MESSAGE} FROM messages WHERE {of(authors)} ORDER BY queued LIMIT :most",
        {"authors": json.dumps(authors and list(authors)), "most": most},
    ).fetchall()
    return [_message(connection, row) for row in found]


def of(authors: Collection[str] | None) -> str:
    """What is not closed and from one of these, whom the parameter `authors` has as JSON."""
    chosen = (
        ":authors IS NOT NULL"
        if authors is None
        else "author IN (SELECT value FROM json_each(:authors))"
    )
    return f"closed IS NULL AND {chosen}"


def _message(connection: sqlite3.Connection, found: Sequence[object]) -> Message:
    *plain, international, queued, halt, until, origin, stem, closed = found
    name, author, message_id, subject, size = plain
    with making_sense(f"the message {name}"):
        return Message(
            id=str(name),
            author=str(author),
            message_id=str(message_id),
            subject=str(subject),
            size=int(str(size)),
            international=bool(international),
            queued=_moment(queued),
            halt=Halt(str(halt)),
            held_until=None if until is None else _moment(until),
            origin=bytes(origin) if isinstance(origin, bytes) else b"",
            stem=str(stem),
            closed=None if closed is None else _moment(closed),
            recipients=_all(recipients(connection, str(name))),
        )


def recipients(
    connection: sqlite3.Connection, name: str, destination: str | None = None
) -> list[Recipient]:
    chosen = "" if destination is None else "AND destination = ?"
    found = connection.execute(
        f"SELECT {_RECIPIENT} FROM recipients WHERE message = ? {chosen} ORDER BY place",
        (name,) if destination is None else (name, destination),
    )
    with making_sense(f"a recipient of the message {name}"):
        return [_recipient(row) for row in found]


def _all(found: list[Recipient]) -> tuple[Recipient, ...]:
    if not found:
        raise ValueError("it is to nobody")
    return tuple(found)


def _recipient(found: Sequence[object]) -> Recipient:
    place, address, destination, state, due, changed, attempts, told, opened, bounce = found
    return Recipient(
        place=int(str(place)),
        address=str(address),
        destination=str(destination),
        state=State(str(state)),
        due=_moment(due),
        changed=_moment(changed),
        attempts=int(str(attempts)),
        told=str(told),
        open=bool(opened),
        bounce=bool(bounce),
    )


def events(connection: sqlite3.Connection, name: str) -> list[Event]:
    found = connection.execute(
        "SELECT number, at, destination, status, details, pending FROM history"
        " WHERE message = ? ORDER BY number",
        (name,),
    )
    with making_sense(f"the history of the message {name}"):
        return [
            Event(number, _moment(at), destination, status, details, bool(pending))
            for number, at, destination, status, details, pending in found
        ]


def halt(connection: sqlite3.Connection, name: str) -> Halt:
    """What a person wants of a message that is on record."""
    found = connection.execute("SELECT halt FROM messages WHERE id = ?", (name,))
    with making_sense(f"the message {name}"):
        return Halt(found.fetchone()[0])


def _moment(value: object) -> float:
    found = float(str(value))
    if not -_LATEST < found < _LATEST:
        raise ValueError(f"{found} is no time")
    return found


def add(connection: sqlite3.Connection, label: Label, found: Iterable[Recipient]) -> None:
    connection.execute(
        "INSERT INTO messages (id, author, message_id, subject, size, international, queued, halt,"
        " origin, stem) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, '')",
        (
            label.id,
            label.author,
            label.message_id,
            label.subject,
            label.size,
            label.international,
            label.queued,
            bytes.fromhex(label.origin),
        ),
    )
    connection.executemany(
        "INSERT INTO recipients VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(label.id, each.place, each.address, each.destination, each.state.value),
                *(each.attempts, each.due, each.changed, each.told, each.open, each.bounce),
            )
            for each in found
        ],
    )


def save(connection: sqlite3.Connection, name: str, found: Iterable[Recipient]) -> None:
    """The recipients as they are now."""
    connection.executemany(
        "UPDATE recipients SET state = ?, attempts = ?, due = ?, changed = ?, told = ?, open = ?,"
        " bounce = ? WHERE message = ? AND place = ?",
        [
            (
                *(each.state.value, each.attempts, each.due, each.changed, each.told),
                *(each.open, each.bounce, name, each.place),
            )
            for each in found
        ],
    )


def note(
    connection: sqlite3.Connection, name: str, at: float, destination: str, said: tuple[str, str]
) -> None:
    """Add to the history what the sent copy has to be told: a status, and details."""
    status, details = said
    connection.execute(
        "INSERT INTO history SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, 1 FROM history"
        " WHERE message = ?",
        (name, at, destination, status, details[:LONGEST_DETAILS], name),
    )
    connection.execute(
        "DELETE FROM history WHERE message = ? AND pending = 0 AND number <="
        " (SELECT max(number) FROM history WHERE message = ?) - ?",
        (name, name, MOST_EVENTS),
    )
