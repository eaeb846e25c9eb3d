from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import pytest

from aimx.processes import rota
from aimx.processes.rota import next_to_serve
from aimx.processes.worker import Worker


@dataclass(eq=False)
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
    ("connections", "takes"),
    [([35, 30], 30), ([36, 35], 35), ([36, 36], None), ([40, 36], None)],
)
def test_nobody_is_given_a_client_that_it_could_not_take_over(
    monkeypatch: pytest.MonkeyPatch, connections: list[int], takes: int | None
) -> None:
    monkeypatch.setattr(rota, "open_files", lambda: 96)
    workers = [Busy(Counter({"192.0.2.1": number})) for number in connections]

    found = next_to_serve(cast("list[Worker]", workers))

    assert (found and found.connections.total()) == takes


def test_without_workers_there_is_nobody() -> None:
    assert next_to_serve([]) is None


def test_few_files_are_few_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rota, "open_files", lambda: 40)
    full, other = (Busy(Counter({"192.0.2.1": number})) for number in (15, 3))

    assert next_to_serve(cast("list[Worker]", [full, other])) is other
    assert next_to_serve(cast("list[Worker]", [full, full])) is None
