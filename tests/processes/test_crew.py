import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from aimx.processes.crew import Crew, next_to_serve, workers
from aimx.processes.worker import Worker


@dataclass
class Busy:
    """A worker, as far as its connections go."""

    connections: Counter[str] = field(default_factory=Counter)
    role: str = "inbound"


@pytest.mark.parametrize(
    ("connections", "chosen"),
    [
        pytest.param([0, 0], 0, id="nobody-is-busy"),
        pytest.param([3, 0], 3, id="one-is-awake-and-has-room"),
        pytest.param([15, 0], 15, id="one-is-nearly-full"),
        pytest.param([16, 0], 0, id="one-has-enough-to-do"),
        pytest.param([16, 4], 4, id="the-next-is-filled"),
        pytest.param([40, 17, 20], 17, id="all-have-enough-to-do"),
    ],
)
def test_one_worker_is_filled_before_the_next_is_woken(connections: list[int], chosen: int) -> None:
    workers = [Busy(Counter({"192.0.2.1": number})) for number in connections]

    found = next_to_serve(cast("list[Worker]", workers))

    assert found is not None
    assert found.connections.total() == chosen


@pytest.mark.parametrize(
    ("processors", "wanted", "number"),
    [(1, None, 2), (2, None, 2), (3, None, 3), (64, None, 4), (64, 1, 1), (1, 8, 8)],
)
def test_there_are_as_many_workers_as_processors_within_bounds_or_as_are_wanted(
    monkeypatch: pytest.MonkeyPatch, processors: int, wanted: int | None, number: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))

    assert workers(wanted) == number


def test_without_workers_there_is_nobody() -> None:
    assert next_to_serve([]) is None


@dataclass(slots=True)
class Failing(Crew):
    """Starts fail so often, and then there is a worker."""

    failures: int = 0

    async def _start(self, role: str) -> Worker:
        if self.failures:
            self.failures -= 1
            raise OSError("no process can be started now")
        worker = cast("Worker", Busy(role=role))
        self.workers.append(worker)
        return worker


@dataclass
class Wanted:
    """A generation, as far as it asks for workers."""

    workers: int


def test_a_worker_that_could_not_be_added_is_tried_again_while_it_is_wanted() -> None:
    async def play(failures: int, then: int) -> int:
        crew = Failing(cast("Any", None), print, print, failures=failures)
        crew.committed = cast("Any", Wanted(3))
        crew._resize()
        crew._resize()  # Who is on the way is not started twice.
        await asyncio.sleep(0)
        crew.committed = cast("Any", Wanted(then))
        while crew._tasks:
            await asyncio.wait(crew._tasks)
        return len(crew.of("inbound"))

    assert asyncio.run(play(failures=4, then=3)) == 3
    assert asyncio.run(play(failures=3, then=0)) == 0
