"""What is owed of messages is done soon, again where it fails, and not any more after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from structlog.testing import capture_logs

from aimx.outbound.queue.aftercare.tending import Tending

AT_ONCE = 0.0


class Tended:
    """Tends one name after the other, each as long as it is told to."""

    def __init__(self, tend: Callable[[str], object] = lambda name: None) -> None:
        self.done: list[str] = []
        self.goes_on = asyncio.Event()
        self.tending = Tending(self._tend, (OSError,))
        self._does = tend

    async def _tend(self, name: str) -> None:
        await self.goes_on.wait()
        self._does(name)
        self.done.append(name)


def test_who_leaves_finishes_what_is_under_way():
    async def scene() -> None:
        told = Tended()
        told.tending.owe("a")
        asyncio.get_running_loop().call_soon(told.goes_on.set)

        await told.tending.leave(60)

        assert told.done == ["a"]

    asyncio.run(scene())


def test_what_is_not_over_by_then_is_given_up_without_a_word():
    async def scene() -> None:
        told = Tended()
        told.tending.owe("a")
        await asyncio.sleep(0)

        with capture_logs() as logs:
            await told.tending.leave(AT_ONCE)
            told.goes_on.set()
            await asyncio.sleep(0)

        assert (told.done, logs) == ([], [])
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())


def test_after_the_end_nothing_is_begun():
    async def scene() -> None:
        told = Tended()
        told.goes_on.set()
        await told.tending.leave(AT_ONCE)

        assert told.tending.owe("a").done()

        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())


def test_who_is_owed_something_again_meanwhile_is_tended_twice():
    async def scene() -> None:
        told = Tended()
        told.tending.owe("a")
        await asyncio.sleep(0)
        told.tending.owe("a")
        told.goes_on.set()

        await told.tending.leave(60)

        assert told.done == ["a", "a"]

    asyncio.run(scene())
