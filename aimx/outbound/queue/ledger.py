"""What the queue knows, durable at every step: messages come, attempts are made and concluded.

The order is the promise. A message is on record before its author is told so; that its content
leaves is on record before it does; and what a host said, before another is asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random, SystemRandom

from aimx.outbound.keys import CallersKey, Found, Keys, Settled, Standing
from aimx.outbound.outcome import Outcome
from aimx.outbound.queue import recipient as steps
from aimx.outbound.queue import rows, schedule, trips
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.letters import Label
from aimx.outbound.queue.recipient import Recipient, Span
from aimx.outbound.queue.states import WAITING, State, resumed
from aimx.outbound.queue.trips import InFlight, Trip

_FROM_SPOOL = "the queue was lost; the host may have the message"


class HeldBackError(OSError):
    """The content does not leave: a person wants the message to wait, or to be gone."""


class Ledger:
    """The messages. All calls come from one thread at a time."""

    def __init__(self, database: Database, run: str, random: Random | None = None) -> None:
        self._database = database
        self._keys = Keys(database.connection, run)
        self._random = random or SystemRandom()

    # Coming in.

    def enqueue(
        self, label: Label, to: Callable[[str], str], key: CallersKey | None
    ) -> Found | None:
        """Take the message; what is given says why not: it was taken under its key before."""
        with self._database.transaction() as connection:
            if key is not None:
                found = self._keys.claim(key.uid, key.text, label.queued)
                if found is not Standing.FRESH:
                    return found
                sent = Settled("", f"<{label.message_id}>", label.id)
                self._keys.settle(key.uid, key.text, sent)
            rows.add(connection, label, _recipients(label, to, State.QUEUED))
        return None

    def known(self, key: CallersKey) -> Found:
        """How a key stands, without taking anything under it."""
        with self._database.reading():
            return self._keys.look(key.uid, key.text)

    # What is sent at once, under a key.

    def begin(self, key: CallersKey, now: float) -> Found:
        with self._database.transaction():
            return self._keys.claim(key.uid, key.text, now)

    def settle(self, key: CallersKey, outcome: Settled) -> None:
        with self._database.transaction():
            self._keys.settle(key.uid, key.text, outcome)

    def doubt(self, key: CallersKey) -> None:
        with self._database.transaction():
            self._keys.doubt(key.uid, key.text)

    def release(self, key: CallersKey) -> None:
        with self._database.transaction():
            self._keys.release(key.uid, key.text)

    # Attempts.

    def due(
        self, now: float, full: Container[str], flying: Container[InFlight], most: int
    ) -> list[Trip]:
        """So many trips at most; none to a destination that is full, or for who is in flight."""
        with self._database.reading() as connection:
            return trips.due(connection, now, full, flying, most)

    def next_due(self, now: float) -> float | None:
        """When something becomes due that is not yet."""
        with self._database.reading() as connection:
            return trips.next_due(connection, now)

    @property
    def is_damaged(self) -> bool:
        """Whether anybody has met damage in the database."""
        return self._database.is_damaged

    def wake(self, now: float) -> list[str]:
        """Let go on what was held until now, and what waits since a clock was ahead; gives which
        messages.
        """
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT id FROM messages WHERE held_until <= ? AND closed IS NULL", (now,)
            ).fetchall()
            late = connection.execute(
                f"SELECT DISTINCT message FROM recipients WHERE {rows.IS_WAITING} AND due > ?",
                (now + schedule.UTMOST,),
            ).fetchall()
        for (name,) in found:
            self._wake(name, now)
        if late:
            self._set_right(now)
        return [name for (name,) in (*found, *late)]

    def _set_right(self, now: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                f"UPDATE recipients SET due = ? WHERE {rows.IS_WAITING} AND due > ?",
                (now, now + schedule.UTMOST),
            )

    def _wake(self, name: str, now: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE messages SET halt = '', held_until = NULL WHERE id = ?", (name,)
            )
            held = [
                replace(each, state=resumed(each.state, each.attempts), changed=now, due=now)
                for each in rows.recipients(connection, name)
                if each.state is State.HELD
            ]
            rows.save(connection, name, held)

    def leaving(self, trip: Trip, recipients: Sequence[str], now: float) -> None:
        """Their content leaves as soon as this returns; raises `HeldBackError`."""
        with self._database.transaction() as connection:
            found = self._of(connection, trip, recipients)
            if any(each.state not in WAITING for each in found):
                raise HeldBackError("a person wants the message to wait, or to be gone")
            rows.save(connection, trip.message.id, [steps.leaving(each, now) for each in found])

    def answered(self, trip: Trip, outcomes: Mapping[str, Outcome], now: float) -> None:
        with self._database.transaction() as connection:
            halt = rows.halt(connection, trip.message.id)
            found = self._of(connection, trip, outcomes)
            changed = [steps.answered(each, outcomes[each.address], halt, now) for each in found]
            rows.save(connection, trip.message.id, changed)

    def concluded(self, trip: Trip, outcomes: Mapping[str, Outcome], span: Span) -> str:
        """The attempt is over; gives its status."""
        with self._database.transaction() as connection:
            halt = rows.halt(connection, trip.message.id)
            changed = [
                steps.concluded(each, outcomes[each.address], halt, span, self._random)
                for each in self._of(connection, trip, outcomes)
            ]
            rows.save(connection, trip.message.id, changed)
            said = (steps.word(changed), steps.sentence(changed))
            rows.note(connection, trip.message.id, span.now, trip.destination, said)
        return said[0]

    def postpone(self, trip: Trip, until: float, why: str) -> None:
        """Nobody is reached there: who found out waits until then, and what waits beside it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recipients SET due = ?, told = CASE told WHEN '' THEN ? ELSE told END"
                f" WHERE destination = ? AND {rows.IS_WAITING} AND (due < ? OR message = ?"
                f" AND address IN ({', '.join('?' * len(trip.recipients))}))",
                (until, why, trip.destination, until, trip.message.id, *trip.recipients),
            )

    def hasten(self, destination: str, until: float, now: float) -> None:
        """Somebody is reached there again: what was postponed until then waits no longer."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recipients SET due = ?"
                f" WHERE destination = ? AND {rows.IS_WAITING} AND due = ?",
                (now, destination, until),
            )

    def redirect(self, to: Callable[[str], str]) -> None:
        """Let everything that waits be taken where it is taken now."""
        with self._database.transaction() as connection:
            connection.create_function("taken_to", 1, to, deterministic=True)
            connection.execute(
                "UPDATE recipients SET destination = taken_to(address)"
                f" WHERE ({rows.IS_WAITING} OR state = 'held') AND destination <> taken_to(address)"
            )

    def recover(self, now: float) -> list[str]:
        """Take up what a crash left; gives the messages that a host may or may not have."""
        doubtful = []
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT DISTINCT message FROM recipients WHERE open = 1"
            ).fetchall()
            for (name,) in found:
                opened = [each for each in rows.recipients(connection, name) if each.open]
                changed = [steps.abandoned(each, now) for each in opened]
                rows.save(connection, name, changed)
                _note_each(connection, name, now, changed)
                if any(each.state is State.UNKNOWN for each in changed):
                    doubtful.append(name)
        return doubtful

    def names(self) -> frozenset[str]:
        """The messages that are not closed."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT id FROM messages WHERE closed IS NULL")
            return frozenset(name for (name,) in found)

    def _of(
        self, connection: sqlite3.Connection, trip: Trip, addresses: Container[str]
    ) -> list[Recipient]:
        found = rows.recipients(connection, trip.message.id)
        return [each for each in found if each.address in addresses]


def adopt(
    connection: sqlite3.Connection,
    labels: Iterable[Label],
    untouched: Callable[[str], bool],
    now: float,
) -> None:
    """Take up, for a queue that is begun anew, letters whose past nobody knows any more, and those
    of which it is known that no host has seen them.
    """
    for label in labels:
        if untouched(label.id):
            rows.add(connection, label, _recipients(label, _domain, State.QUEUED))
            continue
        found = [
            replace(each, told=_FROM_SPOOL, changed=now)
            for each in _recipients(label, _domain, State.UNKNOWN)
        ]
        rows.add(connection, label, found)
        # No attempt, as far as anybody knows.
        rows.note(connection, label.id, now, "", (steps.word(found), steps.sentence(found)))


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _recipients(label: Label, to: Callable[[str], str], state: State) -> list[Recipient]:
    return [
        Recipient(place, address, to(address), state, due=label.queued, changed=label.queued)
        for place, address in enumerate(label.recipients)
    ]


def _note_each(
    connection: sqlite3.Connection, name: str, now: float, found: Iterable[Recipient]
) -> None:
    """One event for each place that they were to be taken to."""
    for destination, several in groupby(found, key=lambda each: each.destination):
        those = tuple(several)
        rows.note(connection, name, now, destination, (steps.word(those), steps.sentence(those)))
