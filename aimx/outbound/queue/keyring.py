"""The idempotency keys of what is sent at once, kept in the queue's database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from aimx.outbound.keys import CallersKey, Found, Settled, UnrecordedError
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.ledger import Ledger

log = structlog.get_logger()


class Recording(Protocol):
    """Writes into the ledger of the moment; raises `QueueError`."""

    async def __call__(self, write: Callable[[Ledger], Found | None]) -> Found | None: ...


@dataclass(slots=True)
class Keyring:
    """What cannot be recorded once a message is on its way is recorded before its key is looked at
    again; a process that dies before that leaves the key in doubt.
    """

    recorded: Recording
    _late: dict[CallersKey, Callable[[Ledger], None]] = field(default_factory=dict)

    async def begin(self, key: CallersKey, now: datetime) -> Found:
        late = self._late.get(key)

        def begin(ledger: Ledger) -> Found:
            if late is not None:
                late(ledger)
            return ledger.begin(key, now.timestamp())

        try:
            found = await self.recorded(begin)
        except QueueError as cause:
            raise UnrecordedError(str(cause)) from cause
        self._late.pop(key, None)
        assert found is not None
        return found

    async def settle(self, key: CallersKey, outcome: Settled) -> None:
        await self._record(key, partial(Ledger.settle, key=key, outcome=outcome))

    async def doubt(self, key: CallersKey) -> None:
        await self._record(key, partial(Ledger.doubt, key=key))

    async def release(self, key: CallersKey) -> None:
        await self._record(key, partial(Ledger.release, key=key))

    async def _record(self, key: CallersKey, write: Callable[[Ledger], None]) -> None:
        try:
            await self.recorded(write)
        except QueueError as cause:
            log.error("an idempotency key cannot be recorded, and is remembered", reason=str(cause))
            self._late[key] = write
