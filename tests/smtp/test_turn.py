import asyncio
import os

import pytest

from aimx.smtp.turn import Turn


@pytest.fixture
def directory(tmp_path):
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def test_turns_in_one_directory_are_taken_one_after_the_other(directory):
    # Each opens the directory anew, as another process would.
    told = []

    async def one(turn: Turn, name: str) -> None:
        async with turn:
            told.append(f"{name} begins")
            await asyncio.sleep(0.05)
            told.append(f"{name} ends")

    async def run() -> None:
        ours, theirs = Turn(directory), Turn(directory)
        await asyncio.gather(one(ours, "a"), one(ours, "b"), one(theirs, "c"))

    asyncio.run(run())

    pairs = list(zip(told[::2], told[1::2], strict=True))
    assert sorted(pairs) == [(f"{name} begins", f"{name} ends") for name in "abc"]


def test_who_stops_waiting_leaves_the_turn_to_others(directory):
    async def run() -> list[str]:
        told = []
        first, second = Turn(directory), Turn(directory)
        async with first:
            waiting = asyncio.create_task(second.__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with second:
            told.append("second")
        return told

    assert asyncio.run(run()) == ["second"]


def test_a_turn_that_ended_in_an_error_is_given_up(directory):
    async def run() -> None:
        with pytest.raises(RuntimeError):
            async with Turn(directory):
                raise RuntimeError
        async with Turn(directory):
            pass

    asyncio.run(run())
