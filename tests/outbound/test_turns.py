import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aimx.outbound.turns import Turns


class Disk:
    """Counts its flushes, and how much each was for; may refuse one."""

    def __init__(self, *, full: bool = False) -> None:
        self.groups: list[list[str]] = []
        self._is_full = full

    @contextmanager
    def together(self) -> Iterator[None]:
        self.groups.append([])
        yield
        if self._is_full and len(self.groups[-1]) > 1:
            raise OSError("full")

    def write(self, word: str) -> str:
        self.groups[-1].append(word)
        if word == "bad":
            raise ValueError(word)
        return word.upper()


def taken(disk: Disk, *words: str) -> list[str | BaseException]:
    """Ask for all of these while the disk is busy with the first."""

    async def run() -> list[str | BaseException]:
        turns, busy = Turns("test", disk.together), threading.Event()

        def first() -> str:
            busy.wait()
            return disk.write("first")

        tasks = [asyncio.create_task(turns.take(first))]
        tasks += [asyncio.create_task(turns.take(disk.write, word)) for word in words]
        await asyncio.sleep(0)  # All have asked.
        busy.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(turns.close)
        return done[1:]

    return asyncio.run(run())


def test_what_comes_while_the_disk_is_busy_is_flushed_together_and_in_its_order():
    disk = Disk()

    assert taken(disk, *"abcdef") == list("ABCDEF")

    assert [group for group in disk.groups if group] in (
        [["first"], list("abcdef")],
        [["first", *"abcdef"]],
    )


def test_what_fails_by_itself_takes_no_other_with_it():
    told = taken(Disk(), "a", "bad", "c")

    assert (told[0], told[2]) == ("A", "C")
    assert isinstance(told[1], ValueError)


def test_where_the_flush_fails_nobody_is_told_that_it_is_done():
    told = taken(Disk(full=True), "a", "b")

    assert [type(each) for each in told] == [OSError, OSError]


def test_whoever_is_cancelled_keeps_nobody_from_their_turn():
    async def run() -> str:
        turns, busy = Turns("test"), threading.Event()
        turn = asyncio.create_task(turns.take(busy.wait))
        await asyncio.sleep(0)
        turn.cancel()
        busy.set()
        answer = await turns.take("done".upper)
        await asyncio.to_thread(turns.close)
        return answer

    assert asyncio.run(run()) == "DONE"


@pytest.mark.parametrize("number", [1, 200])
def test_a_crowd_is_served_whole(number: int):
    assert taken(Disk(), *["x"] * number) == ["X"] * number
