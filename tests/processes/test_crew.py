from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import pytest

from aimx.processes.crew import next_to_serve
from aimx.processes.worker import Worker


@dataclass
class Busy:
    """A worker, as far as its connections go."""

    connections: Counter[str] = field(default_factory=Counter)


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


def test_without_workers_there_is_nobody() -> None:
    assert next_to_serve([]) is None
