"""Several steps at a time: what waits for the disk or the processor lets the others go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

# More would wait for each other's disk.
_MOST_BY_ITSELF = 8


def usual() -> int:
    """As many as there are processors for us."""
    return min(len(os.sched_getaffinity(0)), _MOST_BY_ITSELF)


class Threads(Generic[T]):
    """Lanes that are threads. Left, it waits for what is under way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool = ThreadPoolExecutor(number, "aimx-step")
        self._done: SimpleQueue[Future[T]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def begin(self, work: Callable[[], T]) -> None:
        self._pool.submit(work).add_done_callback(self._done.put)

    def ended(self) -> T:
        return self._done.get().result()
