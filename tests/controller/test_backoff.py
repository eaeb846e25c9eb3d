"""How long is waited for the next try."""

from hypothesis import given
from hypothesis import strategies as st

from aimx.controller.backoff import FIRST, LONGEST, backoff

FAILURES = st.integers(min_value=1, max_value=10_000)


@given(FAILURES)
def test_each_wait_is_twice_the_one_before_until_it_is_five_minutes(failures: int) -> None:
    wait, next_wait = (backoff(each, lambda: 1.0) for each in (failures, failures + 1))

    assert next_wait == min(2 * wait, LONGEST)
    assert backoff(1, lambda: 1.0) == FIRST


@given(FAILURES, st.floats(min_value=0, max_value=1))
def test_up_to_half_of_a_wait_is_chance(failures: int, chance: float) -> None:
    longest = backoff(failures, lambda: 1.0)

    assert backoff(failures, lambda: 0.0) == longest / 2
    assert longest / 2 <= backoff(failures, lambda: chance) <= longest


def test_two_that_failed_together_do_not_try_together() -> None:
    assert len({backoff(9) for _ in range(20)}) > 1
