"""One thread for what waits for the disk: it keeps no session waiting.

What has come together while the disk was busy is done together, and flushed once for all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 64  # Of what is flushed at once: the first one waits for the last.


@dataclass(slots=True)
class _Turn:
    work: Callable[[], Any]
    answer: asyncio.Future[Any]
    value: Any = None
    fault: BaseException | None = None


class Turns:
    """What is asked for is done in the order in which it is asked for.

    `together` surrounds several; what it raises, none of them has done.
    """

    def __init__(
        self, name: str, together: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._together = together
        self._waiting: deque[_Turn] = deque()

    async def take(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """Wait until it is done, and durable. Who is cancelled meanwhile does not undo it."""
        loop = asyncio.get_running_loop()
        turn = _Turn(partial(work, *words, **named), loop.create_future())
        self._waiting.append(turn)
        self._thread.submit(self._round)
        answer: T = await turn.answer
        return answer

    def close(self) -> None:
        """After what was asked for."""
        self._thread.shutdown()

    def _round(self) -> None:
        """All that waits; whose turn was taken by the round before finds nothing."""
        turns = list(self._next())
        try:
            with self._together():
                for turn in turns:
                    _take(turn)
        except BaseException as fault:  # noqa: BLE001 - it is raised where somebody waits for it
            for turn in turns:
                turn.fault = fault
        for loop in {turn.answer.get_loop() for turn in turns}:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_answer, turns, loop)

    def _next(self) -> Iterator[_Turn]:
        for _ in range(_MOST):
            if not self._waiting:
                return
            yield self._waiting.popleft()


def _take(turn: _Turn) -> None:
    try:
        turn.value = turn.work()
    except BaseException as fault:  # noqa: BLE001 - likewise
        turn.fault = fault


def _answer(turns: list[_Turn], loop: asyncio.AbstractEventLoop) -> None:
    for turn in turns:
        if turn.answer.get_loop() is not loop or turn.answer.done():
            continue  # Nobody waits for it here, or any more.
        if turn.fault is not None:
            turn.answer.set_exception(turn.fault)
        else:
            turn.answer.set_result(turn.value)
