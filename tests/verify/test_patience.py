import asyncio

import pytest

from aimx.verify.patience import Patience


def test_who_waits_too_long_is_told():
    async def work() -> None:
        waiting = asyncio.get_running_loop().create_future()
        Patience(0.01).watch(waiting)
        await waiting

    with pytest.raises(TimeoutError):
        asyncio.run(work())


def test_who_comes_while_another_waits_is_told_as_well():
    async def work() -> list[object]:
        patience = Patience(0.01)
        waiting = [asyncio.get_running_loop().create_future() for _ in range(2)]
        for each in waiting:
            patience.watch(each)
            await asyncio.sleep(0)
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(told) for told in asyncio.run(work())] == [TimeoutError] * 2


def test_who_has_an_answer_keeps_it():
    async def work() -> str:
        patience = Patience(0.01)
        answered, silent = (asyncio.get_running_loop().create_future() for _ in range(2))
        for each in (answered, silent):
            patience.watch(each)
        answered.set_result("it")
        with pytest.raises(TimeoutError):
            await silent
        return await answered

    assert asyncio.run(work()) == "it"


def test_nobody_who_is_done_is_remembered():
    async def work() -> int:
        patience = Patience(60)
        for _ in range(1000):
            waiting = asyncio.get_running_loop().create_future()
            patience.watch(waiting)
            waiting.set_result(None)
        return len(patience)

    assert asyncio.run(work()) == 1
