"""Carries out what is due, so much at a time, and concludes it whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random, SystemRandom
from typing import Any

import structlog

from aimx.channel.room import Room
from aimx.outbound.delivery import Deliverer, Outgoing
from aimx.outbound.outcome import Deferred, Outcome, told
from aimx.outbound.queue.database import DamagedError, QueueError
from aimx.outbound.queue.lanes import Lanes
from aimx.outbound.queue.ledger import Ledger
from aimx.outbound.queue.letters import LetterError, Letters
from aimx.outbound.queue.recipient import Span
from aimx.outbound.queue.trips import InFlight, Trip
from aimx.outbound.turns import Turns
from desired.frozen import frozen

# Octets of content in memory: on the way to those who are reached, and to the others.
_CONTENT, _SLOW_CONTENT = 192 << 20, 64 << 20
_AGAIN = 5.0  # Seconds, after the disk refused.
_LONGEST_SLEEP = 600.0  # Clocks are set.

log = structlog.get_logger()


@frozen
class Rules:
    """What a generation says of attempts."""

    deliverer: Deliverer
    max_age: float  # Seconds.


@dataclass(slots=True, eq=False)
class Flight:
    """A trip under way."""

    trip: Trip
    slow: bool
    task: asyncio.Task[None] | None = None
    has_left: bool = False  # The content of it may be with a host.


@dataclass(slots=True)
class Postman:
    """`concluded` is called with each message that an attempt has changed."""

    ledger: Ledger
    letters: Letters
    turns: Turns
    rules: Callable[[], Rules]
    clock: Callable[[], float]
    concluded: Callable[[str], object]
    random: Random = field(default_factory=SystemRandom)
    lanes: Lanes = field(default_factory=Lanes)
    _flights: set[Flight] = field(default_factory=set)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _rooms: dict[bool, Room] = field(
        default_factory=lambda: {False: Room(_CONTENT), True: Room(_SLOW_CONTENT)}
    )

    def stir(self) -> None:
        """Something may be due."""
        self._stirred.set()

    async def serve(self) -> None:
        """Until cancelled: begin what is due. Raises `DamagedError`."""
        while True:
            self._stirred.clear()
            if self.ledger.is_damaged:
                raise DamagedError("damage was met")
            try:
                pause = await self._round()
            except DamagedError:
                raise
            except QueueError as cause:
                log.error("the queue waits", reason=str(cause))
                pause = _AGAIN
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()

    async def leave(self, seconds: float) -> None:
        """Begin nothing any more. What has left has so long to be answered."""
        for flight in self._flights:
            if flight.task is not None and not flight.has_left:
                flight.task.cancel()
        tasks = [flight.task for flight in self._flights if flight.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _round(self) -> float:
        """Begin what there is room for; gives how long nothing else becomes due."""
        now = self.clock()
        flying: frozenset[InFlight] = frozenset().union(*(f.trip.flying for f in self._flights))
        for name in await self.turns.take(self.ledger.wake, now):
            log.info("mail goes on", trace=name)
        trips = await self.turns.take(
            self.ledger.due, now, self.lanes.full(), flying, self.lanes.free
        )
        for trip in trips:
            if self.lanes.admits(trip.destination):
                self._begin(trip)
        due = await self.turns.take(self.ledger.next_due, now)
        return _LONGEST_SLEEP if due is None else min(max(due - self.clock(), 0), _LONGEST_SLEEP)

    def _begin(self, trip: Trip) -> None:
        flight = Flight(trip, self.lanes.begin(trip.destination))
        self._flights.add(flight)
        flight.task = asyncio.get_running_loop().create_task(self._flown(flight))

    async def _flown(self, flight: Flight) -> None:
        trip = flight.trip
        reached = False
        try:
            if self._is_in_vain(trip):
                await self._conclude(flight, _untried(trip))
            else:
                outcomes = await self._outcomes(flight)
                reached = _is_reached(outcomes)
                now = await self._conclude(flight, outcomes)
                await self._learned(trip, outcomes, now, reached=reached)
        except DamagedError as cause:
            log.critical(
                "what became of an attempt cannot be recorded",
                trace=trip.message.id,
                destination=trip.destination,
                reason=str(cause),
            )
        finally:
            self.lanes.end(trip.destination, slow=flight.slow, reached=reached)
            self._flights.discard(flight)
            self.stir()

    def _is_in_vain(self, trip: Trip) -> bool:
        """Whether it is too late, and where nobody was reached. It finds out nothing there."""
        return self.lanes.broken(trip.destination) is not None and self._span(trip).is_over

    async def _outcomes(self, flight: Flight) -> Mapping[str, Outcome]:
        """What became of each."""
        trip, rules = flight.trip, self.rules()
        try:
            async with self._rooms[flight.slow].taken(trip.message.size):
                content = await self.turns.take(
                    self.letters.content, trip.message.id, trip.recipients
                )
                outgoing = self._outgoing(flight, content)
                attempt = await rules.deliverer.deliver(outgoing)
        except LetterError as cause:
            # A disk that cannot be read now may be later; at last its sender learns of it.
            log.error("a message that waits cannot be read", reason=str(cause))
            return dict.fromkeys(trip.recipients, Deferred("the message cannot be read here"))
        except Exception:
            log.exception("attempt broke", trace=trip.message.id, destination=trip.destination)
            broke = Deferred("a defect here, of which the log has more")
            return dict.fromkeys(trip.recipients, broke)
        return attempt.outcomes

    def _outgoing(self, flight: Flight, content: bytes) -> Outgoing:
        message = flight.trip.message
        return Outgoing(
            sender=message.author,
            recipients=flight.trip.recipients,
            content=content,
            message_id=message.message_id,
            is_international=message.international,
            witness=_Record(self, flight),
        )

    async def _conclude(self, flight: Flight, outcomes: Mapping[str, Outcome]) -> float:
        """Put on record what became of each, and tell it; gives the time that it has there."""
        trip, span = flight.trip, self._span(flight.trip)
        status = await self.insist(self.ledger.concluded, trip, outcomes, span)
        log.info(
            "mail tried",
            trace=trip.message.id,
            message_id=trip.message.message_id,
            author=trip.message.author,
            destination=trip.destination,
            recipients=[told(to, outcome) for to, outcome in outcomes.items()],
            status=status,
        )
        self.concluded(trip.message.id)
        return span.now

    async def _learned(
        self, trip: Trip, outcomes: Mapping[str, Outcome], now: float, *, reached: bool
    ) -> None:
        """What waits beside it waits on where nobody was reached, and else no longer."""
        if not reached:
            until = self.lanes.put_off(trip.destination, now, self.random)
            why = next(_reason(outcome) for outcome in outcomes.values())
            await self.insist(self.ledger.postpone, trip, until, why)
        elif broken := self.lanes.broken(trip.destination):
            await self.insist(self.ledger.hasten, trip.destination, broken.until, now)

    async def insist(self, write: Callable[..., Any], *words: Any) -> Any:
        """Write what has happened; a disk that is full for now does not make it undone."""
        while True:
            try:
                return await self.turns.take(write, *words)
            except DamagedError:
                self.stir()
                raise
            except QueueError as cause:
                log.error("an attempt cannot be recorded, and is remembered", reason=str(cause))
            await asyncio.sleep(_AGAIN)

    def _span(self, trip: Trip) -> Span:
        queued = trip.message.queued
        return Span(self.clock(), queued, queued + self.rules().max_age)


@frozen
class _Record:
    """Writes down what cannot be taken back."""

    postman: Postman
    flight: Flight

    async def leaving(self, recipients: Sequence[str]) -> None:
        postman, trip = self.postman, self.flight.trip
        self.flight.has_left = True  # Before it is on record: nobody may interrupt that.
        try:
            write = partial(postman.ledger.leaving, trip, recipients, postman.clock())
            await postman.turns.take(write)
            postman.letters.touch(trip.message.id)
        except (QueueError, OSError) as cause:
            self.flight.has_left = False
            raise OSError(str(cause)) from cause

    async def answered(self, outcomes: Mapping[str, Outcome]) -> None:
        postman, trip = self.postman, self.flight.trip
        await postman.insist(postman.ledger.answered, trip, outcomes, postman.clock())
        self.flight.has_left = False


def _untried(trip: Trip) -> Mapping[str, Outcome]:
    """Each as it was told of last."""
    return {
        each.address: Deferred(each.told, unreached=True)
        for each in trip.message.recipients
        if each.address in trip.recipients
    }


def _is_reached(outcomes: Mapping[str, Outcome]) -> bool:
    return not all(
        isinstance(outcome, Deferred) and outcome.unreached for outcome in outcomes.values()
    )


def _reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Deferred) else ""
