"""What all processes have counted, asked of each of them when somebody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aimx.channel.control import Measure, Measured
from aimx.channel.packets import MalformedError
from aimx.metrics.kinds import Number
from aimx.metrics.table import METRICS
from aimx.metrics.totals import Totals, UnlikelyError, readings
from aimx.processes.crew import Crew
from aimx.processes.station import Station
from aimx.processes.worker import Worker, WorkerGoneError

_PATIENCE = 2.0  # Seconds: a loop that does not turn in that time does not turn.


class Measuring:
    """Asks everybody at once, and goes on with what it knows of those who do not answer."""

    def __init__(self, crew: Crew, station: Station) -> None:
        self._crew = crew
        self._station = station
        self._totals = Totals(METRICS)
        self._placer = ""  # The one that was heard last; there is never more than one.
        self._awaited: set[str] = set()
        self._answered = asyncio.Event()
        self._asking = asyncio.Lock()

    async def silent(self) -> dict[str, str]:
        """Ask, and give who has not answered in time: roles by name."""
        async with self._asking:
            asked = {worker.name: worker.role for worker in self._crew.workers}
            if placer := self._station.placer:
                asked[placer] = "placer"
            self._awaited = set(asked)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._ask()
                    await self._everybody()
            return {name: asked[name] for name in sorted(self._awaited)}

    def sums(self) -> Mapping[str, tuple[Number, ...]]:
        """As of the last answers."""
        return self._totals.sums(readings(METRICS))

    def told(self, worker: Worker, measured: Measured) -> None:
        """Raises `MalformedError` where the worker cannot have counted that."""
        self._told(worker.name, measured)

    def placer_told(self, measured: Measured) -> None:
        """As `told`."""
        placer = self._station.placer
        if placer != self._placer:
            self.ended(self._placer)
            self._placer = placer
        self._told(placer, measured)

    def ended(self, process: str) -> None:
        """It is gone, and will say nothing any more."""
        self._totals.ended(process)
        self._heard(process)

    async def _ask(self) -> None:
        for worker in tuple(self._crew.workers):
            with suppress(WorkerGoneError):
                await worker.tell(Measure())
        await self._station.tell(Measure())

    async def _everybody(self) -> None:
        while self._awaited:
            self._answered.clear()
            await self._answered.wait()

    def _told(self, process: str, measured: Measured) -> None:
        try:
            self._totals.told(process, measured.readings)
        except UnlikelyError as cause:
            raise MalformedError(str(cause)) from cause
        self._heard(process)

    def _heard(self, process: str) -> None:
        self._awaited.discard(process)
        self._answered.set()
