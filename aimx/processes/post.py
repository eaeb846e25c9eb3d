"""A worker's side of its control channel: generations come, connections to the placer come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

import structlog

from aimx import logs
from aimx.channel.attached import Attached
from aimx.channel.control import (
    MOST_SECRETS,
    MOST_SNAPSHOT,
    Commit,
    Committed,
    Drop,
    Leave,
    Logging,
    Measure,
    Measured,
    Placements,
    Prepare,
    Prepared,
    Ready,
    Refused,
)
from aimx.channel.messages import Vocabulary
from aimx.channel.packets import Channel, Kind, MalformedError, Packet, close_all
from aimx.channel.sealed import unseal
from aimx.metrics.table import METRICS
from aimx.metrics.totals import readings
from aimx.placing.client import PlacingClient
from aimx.snapshot import Snapshot

T = TypeVar("T")

log = structlog.get_logger()


class UnloadableError(Exception):
    """A generation that this process cannot run on; says why."""


class Post(Generic[T]):
    """What every worker does alike. `load` makes of a generation what the worker runs on.

    It runs in a thread, one at a time: a large generation takes seconds, in which mail goes on.
    `heard` gets every other message with its descriptors, which are its to close; `swapped` is
    called when another generation is current, and `looked` sets what is so now before this process
    says what it has counted.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        speaks: Vocabulary,
        understands: Vocabulary,
        load: Callable[[Snapshot, bytes], T],
        placements: PlacingClient,
        heard: Callable[[Any, tuple[int, ...]], None],
        swapped: Callable[[], None] = lambda: None,
        looked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._speaks = speaks
        self._understands = understands
        self._load = load
        self._placements = placements
        self._heard = heard
        self._swapped = swapped
        self._looked = looked
        self._loading = asyncio.Lock()
        self._wanted = 0  # The number of the last preparation that is still wanted.
        self._prepared: T | None = None
        self._current: T | None = None
        self._logging = Logging()  # From the next commit on.
        self._tasks: set[asyncio.Task[None]] = set()
        self.leaving = asyncio.Event()  # Take nothing new.
        self.gone = asyncio.Event()  # The supervisor is no more; leave at once.
        self._control = Attached(channel, self._received, self._ended)

    @property
    def current(self) -> T:
        """What new transactions run on. A worker gets it before its first work."""
        assert self._current is not None
        return self._current

    async def arrived(self) -> None:
        await self.say(Ready())

    async def part(self) -> None:
        """The last word, of a process that leaves in good order."""
        await self.say(Measured(readings(METRICS)))

    async def say(self, message: object) -> None:
        try:
            await self._control.send(self._speaks.encode(message))
        except ConnectionError:
            self.gone.set()

    def post(self, message: object) -> None:
        """`say`, without waiting."""
        try:
            self._control.post(self._speaks.encode(message))
        except ConnectionError:
            self.gone.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _received(self, packet: Packet) -> None:
        message = self._understands.decode(packet.payload)
        match message:
            case Prepare(log=logging):
                self._prepared, self._wanted = None, self._wanted + 1
                self._logging = logging
                self._spawn(self._prepare(packet.descriptors, self._wanted))
            case Commit():
                self._swap()
            case Drop():
                self._prepared, self._wanted = None, self._wanted + 1
            case Placements():
                self._connect(packet.descriptors)
            case Measure():
                self._spawn(self._measured())
            case Leave():
                self.leaving.set()
            case _:
                self._heard(message, packet.descriptors)

    async def _measured(self) -> None:
        if self._looked is not None:
            await self._looked()
        await self.say(Measured(readings(METRICS)))

    async def _prepare(self, descriptors: tuple[int, ...], number: int) -> None:
        """Load it aside, and say how that went, if anybody still wants to know."""
        try:
            async with self._loading:
                prepared = await asyncio.to_thread(self._loaded, descriptors)
        except UnloadableError as cause:
            if number == self._wanted:
                await self.say(Refused(str(cause)))
        except MalformedError as failure:
            self._ended(str(failure))
        else:
            if number == self._wanted:
                self._prepared = prepared
                await self.say(Prepared())

    def _loaded(self, descriptors: tuple[int, ...]) -> T:
        try:
            if len(descriptors) != 2:
                raise MalformedError("a generation comes with its snapshot and its secrets")
            snapshot = Snapshot.from_bytes(unseal(descriptors[0], MOST_SNAPSHOT))
            return self._load(snapshot, unseal(descriptors[1], MOST_SECRETS))
        finally:
            close_all(descriptors)

    def _swap(self) -> None:
        if self._prepared is None:
            raise MalformedError("nothing was prepared")
        self._current, self._prepared = self._prepared, None
        logs.change(self._logging.level, self._logging.form)
        self._swapped()
        self.post(Committed())

    def _connect(self, descriptors: tuple[int, ...]) -> None:
        if len(descriptors) != 1:
            close_all(descriptors)
            raise MalformedError("a channel to the placer comes with one descriptor")
        self._placements.connect(Channel.of(descriptors[0], Kind.PLACING))

    def _ended(self, reason: str) -> None:
        log.info("supervisor is gone", reason=reason)
        self.gone.set()
