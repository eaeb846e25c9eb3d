"""The records of a queue: opened when somebody wants them, begun anew where they are damaged."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import structlog

from aimx.outbound.queue.aftercare.debts import Debts
from aimx.outbound.queue.database import Database, QueueError
from aimx.outbound.queue.ledger import Ledger, adopt
from aimx.outbound.queue.letters import Label, LetterError, Letters
from aimx.outbound.queue.steering import Steering
from aimx.outbound.turns import Turns
from desired.frozen import frozen

_AGAIN, _SELDOM = 5.0, 60.0  # Seconds, where they cannot be opened: at first, and later.
_SOONEST = 1.0  # Seconds between two tries for those who want something of them.

log = structlog.get_logger()


@frozen
class Books:
    """What is on record, once it is open."""

    database: Database
    ledger: Ledger
    steering: Steering
    debts: Debts


class Records:
    """All calls of the books are made in `turns`."""

    def __init__(
        self,
        directory: Path,
        run: str,
        letters: Letters,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.turns = Turns("queue", self._together)
        self.current: Books | None = None  # None: they are not open.
        self._directory = directory
        self._run = run
        self._letters = letters
        self._clock = clock
        self._random = random
        self._opening = asyncio.Lock()
        self._tried = -math.inf  # When it was tried last to open them.

    @property
    def books(self) -> Books:
        """Raises `QueueError` where they are not open."""
        if self.current is None:
            raise QueueError("the queue is not open")
        return self.current

    async def opened(self) -> Books:
        """Opened where they are not, if that was not tried just now; raises `QueueError`."""
        if self.current is None:
            async with self._opening:
                await self._open_now()
        return self.books

    async def at_last(self) -> Books:
        """However long that takes; what is said of it is said less and less often."""
        pause = _AGAIN
        while True:
            try:
                return await self.opened()
            except QueueError as cause:
                log.error("the queue cannot be opened", reason=str(cause))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _SELDOM)

    @contextlib.asynccontextmanager
    async def closing(self, books: Books, *, for_good: bool = False) -> AsyncIterator[None]:
        """Nobody is given them any more; who works with them leaves within the block.

        `for_good`: they are damaged as no look at them shows, and are begun anew.
        """
        async with self._opening:
            self.current = None
            yield
            await self.turns.take(books.database.give_up if for_good else books.database.close)
            self._tried = -math.inf

    def _together(self) -> AbstractContextManager[None]:
        books = self.current
        return contextlib.nullcontext() if books is None else books.database.together()

    async def _open_now(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.current is None and now - self._tried > _SOONEST:
            self._tried = now
            self.current = await self.turns.take(self._open)

    def _open(self) -> Books:
        """Raises `QueueError`. Nobody is on the way in."""
        try:
            self._letters.open()
            database = Database(self._directory, self._adopt)
        except OSError as cause:
            raise QueueError(f"{self._directory / 'spool'}: {cause.strerror}") from cause
        ledger = Ledger(database, self._run, self._random)
        for name in set(self._letters.names()) - ledger.names():
            self._letters.remove(name)  # Nobody was told that it is here.
        return Books(database, ledger, Steering(database), Debts(database))

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Of a queue that is begun anew what lies in the spool is all that is known, but for what
        this process has not touched itself.
        """
        found = list(self._letters.labels())
        for label in found:
            if isinstance(label, LetterError):
                log.error("a message in the spool cannot be read", reason=str(label))
        labels = [label for label in found if isinstance(label, Label)]
        adopt(connection, labels, self._letters.is_untouched, self._clock())
        for label in labels:
            if self._letters.is_untouched(label.id):
                log.warning("mail queued anew", trace=label.id, author=label.author)
                continue
            log.error(
                "mail unknown",
                trace=label.id,
                author=label.author,
                reason="the queue was lost; the host may have it, and it is not sent again",
            )
