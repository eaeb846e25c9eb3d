"""Attempts to deliver, counted and timed, whoever makes them."""

from __future__ import annotations

from time import perf_counter

from aimx.metrics import table as metrics
from aimx.outbound.delivery import Deliverer, Outgoing
from aimx.outbound.outcome import Attempt
from desired.frozen import frozen


@frozen
class Counted:
    """Delivers as the one behind it does."""

    deliverer: Deliverer

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        begun = perf_counter()
        attempt = await self.deliverer.deliver(outgoing)
        metrics.DELIVERING.observe(perf_counter() - begun)
        metrics.ATTEMPTS.count(attempt.status.value)
        for outcome in attempt.outcomes.values():
            metrics.RECIPIENTS.count(type(outcome).__name__.lower())
        return attempt

    def destination(self, recipient: str) -> str:
        return self.deliverer.destination(recipient)
