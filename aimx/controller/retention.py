"""Mail set aside for as long as the policy says, and then deleted for good.

It is never part of a plan that a manifest leads to: each tombstone goes by a plan of its own, under
the lock, and one line in the log says whose it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeAlias

import structlog

from aimx.controller.instance import Instance
from aimx.controller.refusal import StaleError
from aimx.controller.workplace import Job, Workplace
from desired.frozen import frozen
from reconcilers.applied import last_applied
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.plan import Plan
from reconcilers.tombstones import Tombstone, completion, expired, half_purged, purge

log = structlog.get_logger()

# What is ten minutes late after thirty days is late for nobody.
_EVERY = 600.0  # Seconds.


@frozen
class Purged:
    """What became of what was due."""

    tombstones: int  # Those that are gone.


CarryOut: TypeAlias = Callable[[Job[Purged]], Awaitable[Purged]]


@frozen
class Retention:
    """The job that is done of itself while a daemon runs."""

    instance: Instance
    carry_out: CarryOut  # Never beside an apply.

    async def run(self) -> None:
        """Look now and every few minutes, until cancelled. Nothing that goes wrong ends it."""
        while True:
            try:
                await self.turn()
            except Exception:
                log.exception("retention failed")
            await asyncio.sleep(_EVERY)

    async def turn(self) -> None:
        """Purge what is due; what cannot be purged now is tried again in the next turn."""
        try:
            if await asyncio.to_thread(self._has_any):
                await self.carry_out(Purge())
        except ReconcileError as cause:
            log.warning("tombstones not looked at", reason=str(cause))

    def _has_any(self) -> bool:
        with self.instance.looking() as host:
            return bool(host.names(self.instance.roots.tombstones))


@frozen
class _Due:
    """A tombstone that goes, and how."""

    name: str
    planned: Callable[[], Plan]
    of: Tombstone | None = None  # None: what a purge that was killed left of one.


@frozen
class Purge:
    """Delete the mail of each tombstone whose time has come."""

    def done(self, at: Workplace) -> Purged:
        return Purged(sum(_purged(each, at) for each in tuple(_due(at.instance))))


def _due(instance: Instance) -> Iterator[_Due]:
    roots = instance.roots
    with instance.looking() as host:
        for path in half_purged(host, roots):
            yield _Due(path.name, partial(completion, host, roots, path))
        # As it was applied: a manifest that nobody has let in deletes nothing.
        _, applied = last_applied(host, roots)
        retention = applied.policy.tombstone_retention if applied else None
        if retention is None:
            return
        # Who may only look has no clock, since a plan must not depend on one.
        now = instance.host.now()
        for stone in expired(host, roots, retention, now):
            yield _Due(stone.name, partial(purge, host, roots, stone.name), stone)


def _purged(due: _Due, at: Workplace) -> bool:
    """Tells whether it is gone, and the log why it is not."""
    user = at.instance.host.user()
    who = Who(user.uid, user.name, "tombstone retention")
    try:
        expected = plan_id(due.planned())
        errand = at.instance.run(due.planned, expected, at.engine, who, at.watched)
    except (ReconcileError, StaleError) as cause:
        log.warning("tombstone not purged", tombstone=due.name, reason=str(cause))
        return False
    reason = next((each.reason for each in errand.receipts if each.reason), "")
    if not errand.summary.is_complete:
        log.error("tombstone not purged", tombstone=due.name, reason=reason or "stopped")
    elif due.of is None:
        log.info("unfinished purge completed", tombstone=due.name)
    else:
        record = due.of.record
        log.info(
            "tombstone purged",
            tombstone=due.name,
            address=record.address,
            since=record.at,
            messages=record.messages,
            octets=record.octets,
        )
    return errand.summary.is_complete
