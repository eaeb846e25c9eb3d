import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.metrics.kinds import Counter, Gauge, Histogram
from aimx.metrics.totals import Totals, UnlikelyError, readings

COUNTED = Counter("a_total", "Of all.", colour=("red", "blue"))
NOW = Gauge("now", "Of now.")
TIMED = Histogram("b_seconds", "How long.", (1,))
METRICS = (COUNTED, NOW, TIMED)


def test_processes_are_added_up_with_what_we_counted_ourselves() -> None:
    totals = Totals(METRICS)
    totals.told("one", {"a_total": (1, 2, 0), "now": (3,)})
    totals.told("two", {"a_total": (10, 0, 0), "now": (4,)})

    assert totals.sums({"a_total": (100, 0, 0)}) == {
        "a_total": (111, 2, 0),
        "now": (7,),
        "b_seconds": (0, 0, 0),
    }


def test_what_a_process_counted_stays_when_it_ends_and_what_is_now_goes() -> None:
    totals = Totals(METRICS)
    totals.told("one", {"a_total": (1, 2, 0), "now": (3,)})
    totals.ended("one")
    totals.told("two", {"a_total": (1, 0, 0)})

    assert totals.sums({})["a_total"] == (2, 2, 0)
    assert totals.sums({})["now"] == (0,)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5) | st.none())))
def test_no_sum_ever_goes_back(events: list[tuple[str, int | None]]) -> None:
    totals, counted, last = Totals(METRICS), dict.fromkeys("abc", 0), 0
    for process, more in events:
        if more is None:
            totals.ended(process)
            counted[process] = 0
        else:
            counted[process] += more
            totals.told(process, {"a_total": (counted[process], 0, 0)})
        now = totals.sums({})["a_total"][0]
        assert now >= last
        last = now

    assert last == sum(more for _, more in events if more is not None)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"unknown": (1,)}, id="no-metric"),
        pytest.param({"a_total": (1, 2)}, id="too-few"),
        pytest.param({"a_total": (-1, 0, 0)}, id="negative"),
        pytest.param({"a_total": (float("inf"), 0, 0)}, id="endless"),
        pytest.param({"a_total": (4, 9, 0)}, id="backwards"),
    ],
)
def test_what_cannot_have_been_counted_is_refused_and_changes_nothing(told) -> None:
    totals = Totals(METRICS)
    totals.told("one", {"a_total": (5, 0, 0)})

    with pytest.raises(UnlikelyError):
        totals.told("one", told)

    assert totals.sums({})["a_total"] == (5, 0, 0)


def test_what_is_zero_is_not_told() -> None:
    counter = Counter("c_total", "Of all.")

    assert readings([counter]) == {}
    counter.count()
    assert readings([counter]) == {"c_total": (1,)}
