"""One thread for the database and the spool: the disk keeps no session waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """What is asked for is done in the order in which it is asked for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "queue")

    async def take(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """Wait until it is done. Who is cancelled meanwhile does not undo it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*words, **named))

    def close(self) -> None:
        """After what was asked for."""
        self._thread.shutdown()
