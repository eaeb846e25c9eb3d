"""How an apply, which waits, reaches the engine, which must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from aimx.controller.compiled import Compiled, compiled
from aimx.controller.last_good import last_good
from desired.frozen import frozen
from reconcilers.host.host import Reading, StepError
from reconcilers.roots import Roots


class EngineError(Exception):
    """The engine cannot run on what it was given; it goes on as before."""


class Engine(Protocol):
    """The running processes, as the controller sees them."""

    async def prepare(self, compiled: Compiled) -> None:
        """Load it aside, everywhere, or raise `EngineError`."""

    async def commit(self) -> None:
        """Swap to what was prepared. It cannot be refused."""

    async def drop(self) -> None:
        """Forget what was prepared."""


@frozen
class Running:
    """An engine runs in the loop; the apply waits for it in a thread of its own."""

    engine: Engine
    loop: asyncio.AbstractEventLoop
    host: Reading
    roots: Roots
    current: Callable[[], Compiled | None] = lambda: None  # What the engine runs on.

    def prepare(self, config: bytes) -> None:
        made = compiled(config, self.host, self.roots, self.current(), lately=True)
        self._wait(self.engine.prepare(made))

    def commit(self) -> None:
        self._wait(self.engine.commit())

    def drop(self) -> None:
        self._wait(self.engine.drop())

    def refresh(self) -> str:
        """It learns what is in no engine config; gives why it cannot run on it."""
        good = last_good(self.host, self.roots)
        if good is None or good.gone:
            return ""
        wanted = compiled(good.config, self.host, self.roots, self.current())
        if wanted == self.current():
            return ""
        try:
            self._wait(self.engine.prepare(wanted))
            self.commit()
        except StepError as cause:
            return str(cause)
        return ""

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(work, self.loop).result()
        except EngineError as cause:
            raise StepError(str(cause)) from cause
