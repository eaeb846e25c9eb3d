"""Sending at once: whoever hands a message in waits for what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

import structlog

from aimx.outbound.compose import Composed
from aimx.outbound.delivery import Deliverer
from aimx.outbound.keys import CallersKey, KeyBook
from aimx.outbound.once import UNWRITABLE, once
from aimx.outbound.outcome import Attempt, Sent, answer, told
from aimx.outbound.refusal import NotSent
from aimx.outbound.submit import Signed
from desired.frozen import frozen

log = structlog.get_logger()


@frozen
class Mailed:
    """A message that was tried, for its sent copy."""

    composed: Composed
    content: bytes  # As it went out, signature and all.
    attempt: Attempt
    attempted_at: datetime
    trace: str = ""


# Puts the sent copy into the author's mailbox; gives its id, or "" if it could not. Never raises.
Keep: TypeAlias = Callable[[Mailed], Awaitable[str]]


@frozen
class Directly:
    """Delivers once, keeps a copy, and tells the outcome."""

    deliverer: Deliverer
    keep: Keep
    keys: KeyBook | None = None  # None: no key can be recorded.
    unkept: Callable[[Mailed], None] = lambda _: None  # Told of what was tried and leaves no copy.

    async def dispatch(self, signed: Signed, key: CallersKey | None) -> Sent | NotSent:
        async def send() -> Sent | NotSent:
            return await self._sent(signed)

        if key is None:
            return await send()
        if self.keys is None:
            return UNWRITABLE
        return await once(self.keys, key, signed.signed_at, send)

    async def _sent(self, signed: Signed) -> Sent | NotSent:
        refused = await signed.share.take()
        if refused is not None:
            return refused
        attempt = await self.deliverer.deliver(signed.outgoing)
        if attempt.is_unreached:
            await signed.share.give_back()
        elif attempt.may_repeat:
            await signed.share.forgive()
        await self._settle(
            Mailed(signed.composed, signed.content, attempt, signed.signed_at, signed.trace)
        )
        return answer(attempt, signed.composed.heading.message_id)

    async def _settle(self, mailed: Mailed) -> None:
        """Keep a copy of what went out or never will. What may be sent again leaves none."""
        attempt = mailed.attempt
        kept = ""
        if attempt.may_repeat:
            self.unkept(mailed)
        else:
            kept = await self.keep(mailed)
        log.info(
            "mail sent",
            trace=mailed.trace,
            message_id=mailed.composed.heading.message_id,
            author=mailed.composed.heading.author.address,
            status=attempt.status.value,
            size_bytes=len(mailed.content),
            recipients=[told(to, outcome) for to, outcome in attempt.outcomes.items()],
            id=kept,
        )
