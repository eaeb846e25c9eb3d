"""Workers run as who they should be run as by now, without a restart of the daemon."""

from __future__ import annotations

import asyncio

import structlog

from aimx.processes.crew import Crew
from aimx.processes.worker import Worker

_LOOK_SECONDS = 1.0  # How often users are looked at: nothing tells of a new one.
_AGAIN_SECONDS = 5.0  # After somebody was to be replaced, which may have failed.

log = structlog.get_logger()


class Succession:
    """A service user may be made, or the manifest name another one, at any time."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def watch(self) -> None:
        pause = _LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _LOOK_SECONDS
            try:
                for worker in await asyncio.to_thread(self._overdue, tuple(self._crew.workers)):
                    pause = _AGAIN_SECONDS
                    if worker in self._crew.workers:
                        log.info("process is run by another user from now on", role=worker.role)
                        await self._crew.succeed(worker)
            except Exception:
                log.exception("service users not looked at")

    def _overdue(self, workers: tuple[Worker, ...]) -> list[Worker]:
        """Asks the machine who its users are, which may take its time."""
        generation, servants = self._crew.committed, self._crew.servants
        assert generation is not None
        return [
            each for each in workers if servants.is_overdue(each.role, generation.users, each.user)
        ]
