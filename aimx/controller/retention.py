"""Mail set aside for as long as the policy says, and then deleted for good.

It is never part of a plan that a manifest leads to: each tombstone goes by a plan of its own, under
the lock, and one line in the log says whose it was.

A clock that is set wrong for a while deletes nothing: what is due stays so for an hour first, or
for as long as it is kept where that is shorter, on a clock that nobody sets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

import structlog

from aimx.controller.instance import Instance
from aimx.controller.refusal import StaleError
from aimx.controller.workplace import Job, Workplace
from desired.frozen import field, frozen, mutable
from reconcilers.applied import last_applied
from reconcilers.fingerprint import plan_id
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError
from reconcilers.plan import Plan
from reconcilers.tombstones import Tombstone, completion, expired, half_purged, purge

log = structlog.get_logger()

# What is ten minutes late after thirty days is late for nobody.
_EVERY = 600.0  # Seconds.
_SURE = 3600.0  # Seconds for which a tombstone is due until it is believed to be.


@frozen
class Purged:
    """What became of what was due."""

    due: tuple[str, ...] = ()  # Those that are due and still there.
    wait: float = _EVERY  # Seconds until it is worth looking again.


CarryOut: TypeAlias = Callable[[Job[Purged]], Awaitable[Purged]]


@mutable
class Retention:
    """The job that is done of itself while a daemon runs."""

    instance: Instance
    carry_out: CarryOut  # Never beside an apply.
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)  # When each was first seen to be due.

    async def run(self) -> None:
        """Look now and every few minutes, until cancelled. Nothing that goes wrong ends it."""
        while True:
            wait = _EVERY
            try:
                wait = await self.turn()
            except Exception:
                log.exception("retention failed")
            await asyncio.sleep(wait)

    async def turn(self) -> float:
        """Purge what is due; what cannot be purged now is tried again in the next turn.

        Gives the seconds until then.
        """
        now, purged = self.clock(), Purged()
        try:
            if await asyncio.to_thread(self._has_any):
                ages = {name: now - since for name, since in self._since.items()}
                purged = await self.carry_out(Purge(ages))
        except ReconcileError as cause:
            log.warning("tombstones not looked at", reason=str(cause))
            return _EVERY
        self._since = {name: self._since.get(name, now) for name in purged.due}
        return purged.wait

    def _has_any(self) -> bool:
        with self.instance.looking() as host:
            return bool(host.names(self.instance.roots.tombstones))


@frozen
class _Due:
    """A tombstone that goes, and how."""

    name: str
    planned: Callable[[], Plan]
    of: Tombstone | None = None  # None: what a purge that was killed left of one.
    wait: float = 0.0  # Seconds until it is believed.


@frozen
class Purge:
    """Delete the mail of each tombstone whose time has come."""

    ages: Mapping[str, float]  # Seconds for which a tombstone of this name is known to be due.

    def done(self, at: Workplace) -> Purged:
        due = tuple(_due(at.instance, self.ages))
        gone = {each.name for each in due if each.wait <= 0 and _purged(each, at)}
        return Purged(
            tuple(each.name for each in due if each.name not in gone),
            min([_EVERY, *(each.wait for each in due if each.wait > 0)]),
        )


def _due(instance: Instance, ages: Mapping[str, float]) -> Iterator[_Due]:
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
        sure = min(_SURE, retention.total_seconds())
        for stone in expired(host, roots, retention, now):
            wait = sure - ages.get(stone.name, 0.0)
            yield _Due(stone.name, partial(purge, host, roots, stone.name), stone, wait)


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
