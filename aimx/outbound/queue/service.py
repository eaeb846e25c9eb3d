"""The queue as a process runs it: taken up where it was left, served, and left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from typing import TypeVar

import structlog

from aimx.channel.control import Attempted
from aimx.outbound.keys import LONGEST_KEY, CallersKey, Found, Standing
from aimx.outbound.once import TOO_LONG, known
from aimx.outbound.outcome import Sent
from aimx.outbound.queue.aftercare.care import Aftercare
from aimx.outbound.queue.aftercare.mailbox import NotNowError
from aimx.outbound.queue.aftercare.tending import Tending
from aimx.outbound.queue.database import NAME, DamagedError, QueueError
from aimx.outbound.queue.intake import Intake
from aimx.outbound.queue.keyring import Keyring
from aimx.outbound.queue.ledger import Ledger
from aimx.outbound.queue.letters import Letters
from aimx.outbound.queue.packing import packed
from aimx.outbound.queue.postman import Postman, Rules
from aimx.outbound.queue.records import Books, Records
from aimx.outbound.queue.steering import Steering
from aimx.outbound.refusal import Code, NotSent
from aimx.outbound.submit import Signed
from aimx.placing.client import PlacingClient
from aimx.snapshot import Snapshot
from desired.frozen import field, frozen

_SOON, _PAUSE = 60.0, 1.0  # Seconds: what is damaged that soon is opened anew after a pause.
_DAILY = 86400.0
_COPY_SECONDS = 10.0  # That whoever sends may wait for their copy.
_LAST_WORD = 5.0  # Seconds for what mailboxes are told when everybody leaves.

T = TypeVar("T")

_UNWRITABLE = NotSent(Code.TEMP, "the queue cannot be written; nothing was sent")

log = structlog.get_logger()


@frozen
class Surroundings:
    """What the queue works with, as the generation of the moment has it."""

    placements: PlacingClient
    snapshot: Callable[[], Snapshot]
    rules: Callable[[], Rules]
    tell: Callable[[Attempted], None]
    clock: Callable[[], float]  # Seconds since 1970.
    random: Random = field(default_factory=SystemRandom)


class Queue:
    """Everything of one directory, which nobody else works in."""

    def __init__(self, directory: Path, run: str, around: Surroundings) -> None:
        self._path = directory / NAME
        self._around = around
        self._letters = Letters(directory / "spool")
        self.records = Records(directory, run, self._letters, around.clock, around.random)
        self._turns = self.records.turns
        self._intake = Intake(self._turns, self._letters, lambda: self.records.books.ledger)
        self._postman: Postman | None = None
        self._tending: Tending | None = None
        self.keys = Keyring(self._recorded)  # For whoever sends at once.

    async def serve(self) -> None:
        """Until cancelled. What is damaged meanwhile is set aside, and the queue begun anew."""
        loop = asyncio.get_running_loop()
        is_doubted = False  # Damage was met, and when it was opened anew none was to be seen.
        while True:
            books, begun = await self.records.at_last(), loop.time()
            with contextlib.suppress(DamagedError):
                await self._served(books)
            log.critical(
                "the queue is damaged, and is opened anew; what waits is in its spool",
                path=str(self._path),
            )
            is_soon = loop.time() - begun < _SOON
            is_hopeless = is_doubted and is_soon
            await self._shut(books, for_good=is_hopeless)
            is_doubted = not is_hopeless
            if is_soon:
                # A disk that damages what was just made is not asked without a pause.
                await asyncio.sleep(_PAUSE)

    async def leave(self, seconds: float) -> None:
        """With `serve` cancelled: what has left has so long to be answered."""
        if self._postman is not None:
            await self._postman.leave(seconds)

    async def close(self) -> None:
        """At last: what mailboxes are to be told is told, or will be by whoever comes next."""
        if self._tending is not None:
            await self._tending.leave(_LAST_WORD)
        await asyncio.to_thread(self._intake.close)
        await asyncio.to_thread(self._turns.close)

    async def dispatch(self, signed: Signed, key: CallersKey | None) -> Sent | NotSent:
        """Take the message: it is durable when this says that it is sent."""
        if key is not None and len(key.text) > LONGEST_KEY:
            return TOO_LONG
        try:
            await self.records.opened()
            found = await self._known(key)
            return await self._queued(signed, key) if found is Standing.FRESH else known(found)
        except (QueueError, OSError) as cause:
            log.error("mail not queued", trace=signed.trace, reason=str(cause))
            self.stir()
            return _UNWRITABLE

    async def _known(self, key: CallersKey | None) -> Found:
        """What stands in the way of another message under this key."""
        if key is None:
            return Standing.FRESH
        return await self._turns.take(self.records.books.ledger.known, key)

    async def _queued(self, signed: Signed, key: CallersKey | None) -> Sent | NotSent:
        refused = await signed.share.take()
        if refused is not None:
            return refused
        parcel = packed(signed)
        to = self._around.rules().deliverer.destination
        try:
            found = await self._intake.take(parcel, to, key)
        except (QueueError, OSError):
            await signed.share.give_back()
            raise
        if found is not None:
            await signed.share.give_back()  # The same was handed in twice at one time.
            return known(found)
        label = parcel.label
        log.info(
            "mail queued",
            trace=label.id,
            message_id=label.message_id,
            author=label.author,
            recipients=len(label.recipients),
        )
        await self._begun(label.id)
        return Sent(f"<{label.message_id}>", label.id)

    async def renewed(self) -> None:
        """Another generation may take mail elsewhere."""
        if self.records.current is not None:
            to = self._around.rules().deliverer.destination
            try:
                await self._turns.take(self.records.books.ledger.redirect, to)
            except QueueError as cause:
                log.error("what waits is taken where it was", reason=str(cause))
        self.stir()

    def stir(self) -> None:
        """Something may be due, or owed."""
        if self._postman is not None:
            self._postman.stir()

    async def steer(self, want: Callable[[Steering], T]) -> T:
        """Carry out what a person wants; raises `QueueError`."""
        done = await self._turns.take(want, self.records.books.steering)
        self.stir()
        return done

    def owe(self, name: str) -> None:
        """A person has changed what its mailbox is to be told."""
        self._letters.touch(name)
        if self._tending is not None:
            self._tending.owe(name)

    async def _recorded(self, write: Callable[[Ledger], T]) -> T:
        """Write what belongs to a key; raises `QueueError`."""
        try:
            books = await self.records.opened()
            return await self._turns.take(write, books.ledger)
        except QueueError:
            self.stir()
            raise

    async def _served(self, books: Books) -> None:
        """Raises `DamagedError`."""
        around = self._around
        care = Aftercare(
            books.debts,
            self._letters,
            self._turns,
            around.placements,
            around.snapshot,
            around.tell,
        )
        tending = self._tending = Tending(care.tend, (NotNowError, QueueError, OSError))
        postman = self._postman = Postman(
            ledger=books.ledger,
            letters=self._letters,
            turns=self._turns,
            rules=around.rules,
            clock=around.clock,
            concluded=tending.owe,
            random=around.random,
        )
        await self._take_up(books)
        for name in await self._turns.take(books.debts.owed):
            tending.owe(name)
        forgetting = asyncio.get_running_loop().create_task(self._forget(books))
        try:
            await postman.serve()
        finally:
            forgetting.cancel()

    async def _shut(self, books: Books, *, for_good: bool) -> None:
        """Nobody works in it any more; what has left has a moment to be answered."""
        async with self.records.closing(books, for_good=for_good):
            await self.leave(_LAST_WORD)
            if self._tending is not None:
                await self._tending.leave(_LAST_WORD)
            await self._intake.empty()

    async def _take_up(self, books: Books) -> None:
        """What a crash left: attempts that nobody concluded, letters that nobody waits for."""
        for name in await self._turns.take(books.ledger.recover, self._around.clock()):
            log.error(
                "mail unknown",
                trace=name,
                reason="interrupted after the content left; the host may have it, and it is not"
                " sent again",
            )
        await self.renewed()

    async def _begun(self, name: str) -> None:
        """Let it be tried, and wait until its copy is there, if that can be had now."""
        self.stir()
        if self._tending is not None:
            await asyncio.wait([self._tending.owe(name)], timeout=_COPY_SECONDS)

    async def _forget(self, books: Books) -> None:
        while True:
            with contextlib.suppress(QueueError):
                for name in await self._turns.take(books.debts.forget, self._around.clock()):
                    log.warning("mail given up", trace=name, reason="nobody has decided on it")
                    await self._turns.take(self._letters.remove, name)
            await asyncio.sleep(_DAILY)
