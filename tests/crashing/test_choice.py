"""Which points `./dev/crash` strikes where there is no time for all."""

from collections import Counter
from random import Random

import pytest

from dev.crashing.choice import drawn, spread


@pytest.mark.parametrize(
    ("budget", "chosen"),
    [
        pytest.param(None, list(range(10)), id="all"),
        pytest.param(20, list(range(10)), id="more than there are"),
        pytest.param(2, [2, 7], id="two"),
        pytest.param(1, [5], id="the one in the middle"),
    ],
)
def test_a_budget_is_spread_from_the_first_to_the_last(budget, chosen) -> None:
    assert spread(range(10), budget) == chosen


def test_a_point_of_a_large_scenario_is_drawn_as_often_as_one_of_a_small_one() -> None:
    scenarios = {"small": range(60), "large": range(1200)}
    chance = Random(1)

    often = {
        name: Counter(point for _ in range(6000) for point in drawn(points, chance))
        for name, points in scenarios.items()
    }

    for name, points in scenarios.items():
        assert all(50 < often[name][point] < 150 for point in points)


def test_of_the_smallest_scenario_something_is_drawn() -> None:
    assert drawn(["one"], Random(1)) == ["one"]
    assert drawn([], Random(1)) == []
