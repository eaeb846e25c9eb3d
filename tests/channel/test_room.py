import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.channel.room import Room


async def hold(room: Room, amount: int, until: asyncio.Event, told: list[int]) -> None:
    async with room.taken(amount):
        told.append(amount)
        await until.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_asks_for_more_than_is_left_waits_until_it_is_given_back():
    async def run() -> tuple[list[int], list[int]]:
        room, told, ends = Room(3), list[int](), [asyncio.Event(), asyncio.Event()]
        async with asyncio.TaskGroup() as group:
            group.create_task(hold(room, 2, ends[0], told))
            group.create_task(hold(room, 2, ends[1], told))
            await settle()
            before = list(told)
            ends[0].set()
            await settle()
            ends[1].set()
        return before, told

    assert asyncio.run(run()) == ([2], [2, 2])


def test_a_small_wish_does_not_overtake_a_large_one():
    async def run() -> list[int]:
        room, told, end = Room(3), list[int](), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for amount in (2, 3, 1):
                group.create_task(hold(room, amount, end, told))
            await settle()
            assert told == [2]
            end.set()
        return told

    assert asyncio.run(run()) == [2, 3, 1]


def test_who_needs_nothing_waits_for_nobody():
    async def run() -> None:
        room = Room(1)
        async with room.taken(1), room.taken(0):
            pass

    asyncio.run(asyncio.wait_for(run(), 5))


def test_who_asks_for_more_than_there_is_gets_all():
    async def run() -> None:
        async with Room(3).taken(1000):
            pass

    asyncio.run(asyncio.wait_for(run(), 5))


def test_who_is_cancelled_while_waiting_keeps_nobody_waiting():
    async def run() -> None:
        room, end = Room(1), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(hold(room, 1, end, []))
            await settle()
            impatient = group.create_task(hold(room, 1, end, []))
            await settle()
            impatient.cancel()
            end.set()
        async with room.taken(1):
            pass

    asyncio.run(asyncio.wait_for(run(), 5))


@given(st.integers(1, 9), st.lists(st.integers(0, 12), max_size=12))
def test_never_more_is_held_than_there_is(most, wishes):
    held = 0

    async def one(room: Room, wish: int) -> None:
        nonlocal held
        async with room.taken(wish):
            held += min(wish, most)
            assert held <= most
            await asyncio.sleep(0)
            held -= min(wish, most)

    async def run() -> None:
        room = Room(most)
        await asyncio.gather(*(one(room, wish) for wish in wishes))

    asyncio.run(run())


def test_who_fails_gives_back_what_it_held():
    async def run() -> None:
        room = Room(1)
        with pytest.raises(OSError, match="broken"):
            async with room.taken(1):
                raise OSError("broken")
        async with room.taken(1):
            pass

    asyncio.run(asyncio.wait_for(run(), 5))
