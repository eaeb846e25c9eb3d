"""What is due, as trips: the longest waiting first, a few to each destination in turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from aimx.damaged import NonsenseError
from aimx.outbound.queue import rows
from aimx.outbound.queue.rows import Message
from aimx.outbound.queue.states import WAITING
from desired.frozen import frozen

_EACH = 4  # Trips to one place that are looked for at a time.

# A message and the address of a recipient in it, of an attempt that is under way.
InFlight: TypeAlias = tuple[str, str]


@frozen
class Trip:
    """One attempt for those recipients of a message that are taken to one place."""

    message: Message
    destination: str
    recipients: tuple[str, ...]

    @property
    def flying(self) -> frozenset[InFlight]:
        return frozenset((self.message.id, address) for address in self.recipients)


def due(
    connection: sqlite3.Connection,
    now: float,
    full: Container[str],
    flying: Container[InFlight],
    most: int,
) -> list[Trip]:
    """So many at most; none to a destination that is full, or for who is in flight already."""
    places = sorted(_places(connection, now))
    free = [place for _, place in places if place not in full][:most]
    turns = [_to(place, connection, now, flying) for place in free]
    return list(islice(_in_turn(turns), most))


def next_due(connection: sqlite3.Connection, now: float) -> float | None:
    """When something becomes due that is not yet; None: nothing waits for a time."""
    found = connection.execute(
        f"SELECT min(due) FROM recipients WHERE {rows.IS_WAITING} AND due > :now"
        " UNION ALL SELECT min(held_until) FROM messages WHERE held_until > :now",
        {"now": now},
    ).fetchall()
    return min((moment for (moment,) in found if moment is not None), default=None)


def _places(connection: sqlite3.Connection, now: float) -> Iterator[tuple[float, str]]:
    """Since when something is due for each destination.

    By one look into the index for each, and not by reading all that waits.
    """
    place = ""
    while found := connection.execute(
        f"SELECT due, destination FROM recipients WHERE {rows.IS_WAITING} AND destination > ?"
        " ORDER BY destination, due LIMIT 1",
        (place,),
    ).fetchone():
        place = found[1]
        if found[0] <= now:
            yield found


def _to(
    place: str, connection: sqlite3.Connection, now: float, flying: Container[InFlight]
) -> Iterator[Trip]:
    waiting = connection.execute(
        f"SELECT message, address FROM recipients WHERE destination = ? AND {rows.IS_WAITING}"
        " AND due <= ? ORDER BY due",
        (place, now),
    )
    # Read no further than is needed: a hundred thousand may wait behind them.
    names: dict[str, None] = {}
    for name, address in waiting:
        if (name, address) not in flying:
            names[name] = None
        if len(names) == _EACH:
            break
    for name in names:
        message = rows.message(connection, name)
        recipients = tuple(
            each.address
            for each in (message.recipients if message else ())
            if each.destination == place and each.state in WAITING and each.due <= now
            if (name, each.address) not in flying
        )
        if message is None or not recipients:
            raise NonsenseError(f"of the message {name} something is due, and nothing waits")
        yield Trip(message, place, recipients)


def _in_turn(several: Sequence[Iterator[Trip]]) -> Iterator[Trip]:
    """One of each, then a second of each that has one, and so on."""
    left = list(several)
    while left:
        for each in tuple(left):
            trip = next(each, None)
            if trip is None:
                left.remove(each)
            else:
                yield trip
