from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound.queue import schedule

randoms = st.integers(0, 10_000).map(Random)


def test_each_pause_is_about_twice_the_one_before_up_to_an_hour() -> None:
    class Even(Random):
        def uniform(self, a: float, b: float) -> float:
            return (a + b) / 2

    pauses = [schedule.pause(attempts, Even()) for attempts in (1, 2, 3, 4, 5, 6, 7, 8, 1000)]

    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@given(st.integers(1, 10_000), randoms)
def test_a_pause_is_spread_and_has_bounds(attempts: int, random: Random) -> None:
    pause = schedule.pause(attempts, random)

    assert 48 <= pause <= 4320


@given(st.integers(1, 50), st.floats(0, 1e6), st.floats(0, 1e6), randoms)
def test_there_is_a_last_attempt_at_the_end_and_none_after_it(
    attempts: int, now: float, expires: float, random: Random
) -> None:
    due = schedule.due(attempts, now, expires, random)

    if now >= expires:
        assert due is None
    else:
        assert due is not None
        assert now < due <= expires
