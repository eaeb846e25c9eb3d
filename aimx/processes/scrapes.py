"""The socket of the metrics. Root accepts, and reads nothing: an inbound process answers.

It is handed the connection together with all pages that there are, as they are at that moment.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from importlib.metadata import version

import structlog

from aimx.channel.control import Scrape
from aimx.controller.conditions import Condition, Conditions
from aimx.controller.state import State
from aimx.metrics import table as metrics
from aimx.metrics.exposition import CONTENT_TYPE, exposed
from aimx.metrics.pages import BUSY, Page, encoded
from aimx.metrics.table import ROLES
from aimx.processes.crew import Crew
from aimx.processes.listening import BindError, Listening, accepted, say
from aimx.processes.measuring import Measuring
from aimx.processes.worker import WorkerGoneError
from desired.quantities import Endpoint

_AGAIN_SECONDS = 30.0  # Until an address that was taken at the start is tried once more.
_LONGEST_TEXT = 4096  # Characters of a page that says what is wrong.

log = structlog.get_logger()


class Scrapes:
    """One connection after the other, so that nobody makes root measure without end."""

    def __init__(
        self,
        crew: Crew,
        measuring: Measuring,
        state: State,
        present: Callable[[], None],
        again: float = _AGAIN_SECONDS,
    ) -> None:
        """`present` sets the gauges of what only the engine knows."""
        self._crew = crew
        self._measuring = measuring
        self._state = state
        self._present = present
        self._listening = Listening("[metrics] bind")
        self._wanted: tuple[Endpoint, ...] = ()
        self._next: tuple[Endpoint, ...] = ()
        self._tasks: dict[socket.socket, asyncio.Task[None]] = {}
        self._again: asyncio.Task[None] | None = None
        self._again_seconds = again
        self._told = ""  # What is in the way, as far as the log has it.
        metrics.BUILD.set(1, version("aimx-mail"))
        metrics.STARTED.set(round(time.time(), 3))

    def begin(self, endpoint: Endpoint | None) -> None:
        """Mail does not wait for an address that somebody else has: it is tried again."""
        self._wanted = self._next = _all(endpoint)
        self._try()
        self._again = asyncio.get_running_loop().create_task(self._persist())

    def prepare(self, endpoint: Endpoint | None) -> None:
        """Raises `BindError`, but not for an address that could not be had before either."""
        self._next = _all(endpoint)
        try:
            self._listening.prepare(self._next)
        except BindError:
            if self._next != self._wanted:
                raise

    def commit(self) -> None:
        self._wanted = self._next
        new, old = self._listening.commit()
        loop = asyncio.get_running_loop()
        for listener in new:
            self._tasks[listener] = loop.create_task(self._serve(listener))
        for listener in old:
            self._tasks.pop(listener).cancel()
            listener.close()

    def drop(self) -> None:
        self._next = self._wanted
        self._listening.drop()

    async def close(self) -> None:
        tasks = [*self._tasks.values(), *((self._again,) if self._again else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    def _try(self) -> None:
        """Listen where it is wanted, or tell once what is in the way."""
        try:
            self._listening.prepare(self._wanted)
        except BindError as cause:
            if str(cause) != self._told:
                self._told = str(cause)
                log.warning("metrics not served", reason=self._told)
            return
        self._told = ""
        self.commit()

    async def _persist(self) -> None:
        while True:
            await asyncio.sleep(self._again_seconds)
            missing = set(self._wanted) - set(self._listening.bound)
            # Between prepare and commit it is not ours to decide.
            if missing and self._next == self._wanted and not self._listening.prepared:
                self._try()

    async def _serve(self, listener: socket.socket) -> None:
        while True:
            connection, _ = await accepted(listener)
            try:
                silent = await self._measuring.silent()
                await self._hand(connection, self._pages(silent.values()), silent.keys())
            finally:
                connection.close()

    async def _hand(
        self, connection: socket.socket, pages: tuple[Page, ...], silent: Container[str]
    ) -> None:
        """To somebody who has just answered us; who asks about a dead loop must not wait for it."""
        answering = [it for it in self._crew.of("inbound") if it.name not in silent]
        worker = min(answering, key=lambda it: it.connections.total(), default=None)
        if worker is not None:
            with suppress(WorkerGoneError):
                await worker.tell(Scrape(pages), (connection.fileno(),))
                return
        say(connection, encoded(BUSY))

    def _pages(self, silent: Iterable[str]) -> tuple[Page, ...]:
        self._look(silent)
        text = exposed(metrics.METRICS, self._measuring.sums())
        return (
            Page("/metrics", 200, text, CONTENT_TYPE),
            health(silent),
            readiness(self._state.conditions),
        )

    def _look(self, silent: Iterable[str]) -> None:
        """At what is so now."""
        state, quiet = self._state, Counter(silent)
        for role in ROLES:
            metrics.SILENT.set(quiet[role], role)
        metrics.GENERATION.set(state.generation)
        metrics.ENGINE_GENERATION.set(state.engine_generation)
        for told in state.conditions.by_type.values():
            for status in ("True", "False", "Unknown"):
                metrics.CONDITION.set(int(told.status == status), told.type, status)
        self._present()


def health(silent: Iterable[str]) -> Page:
    """Whether every loop turns: ours accepted, the reader's reads this, the others answered."""
    lines = [f"{role} does not answer\n" for role in silent]
    return Page("/healthz", 503, "".join(lines)) if lines else Page("/healthz", 200, "ok\n")


def readiness(conditions: Conditions) -> Page:
    """Whether mail is taken and sent as the applied generation says."""
    lines = [
        _said(kind, told)
        for kind in ("Ready", "EngineActive")
        if (told := conditions.by_type.get(kind)) is None or told.status != "True"
    ]
    text = "\n".join(lines)[:_LONGEST_TEXT]
    return Page("/readyz", 503, f"{text}\n") if lines else Page("/readyz", 200, "ready\n")


def _said(kind: str, told: Condition | None) -> str:
    if told is None:
        return f"{kind}: not known yet"
    return ": ".join(filter(None, (kind, told.reason, told.message)))


def _all(endpoint: Endpoint | None) -> tuple[Endpoint, ...]:
    return () if endpoint is None else (endpoint,)
