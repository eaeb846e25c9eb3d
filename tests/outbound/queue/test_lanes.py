from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound.queue import schedule
from aimx.outbound.queue.lanes import Lanes

FEW = {"most": 8, "most_to_one": 2, "most_broken": 3}
places = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])


def broken(lanes: Lanes, *destinations: str) -> Lanes:
    for destination in destinations:
        slow = lanes.begin(destination)
        lanes.put_off(destination, 0.0, Random(1))
        lanes.end(destination, slow=slow, reached=False)
    return lanes


@given(st.lists(st.tuples(places, st.booleans(), st.booleans())))
def test_no_bound_is_ever_exceeded(steps: list[tuple[str, bool, bool]]) -> None:
    lanes, under_way = Lanes(**FEW), []
    for destination, begins, reached in steps:
        if begins and lanes.admits(destination):
            under_way.append((destination, lanes.begin(destination)))
        elif not begins and under_way:
            ended, slow = under_way.pop(0)
            if not reached:
                lanes.put_off(ended, 0.0, Random(1))
            lanes.end(ended, slow=slow, reached=reached)

        assert lanes.free == 8 - len(under_way) >= 0
        assert sum(slow for _, slow in under_way) <= 3
        for each in {place for place, _ in under_way}:
            assert sum(place == each for place, _ in under_way) <= 2


def test_destinations_that_nobody_reaches_leave_room_for_the_others() -> None:
    lanes = broken(Lanes(**FEW), "a", "b", "c", "d", "e")

    admitted = []
    for destination in "abcde":
        if lanes.admits(destination):
            lanes.begin(destination)
            admitted.append(destination)

    assert admitted == ["a", "b", "c"]
    assert lanes.full() >= {"d", "e"}
    assert lanes.admits("good")


def test_a_destination_that_nobody_reaches_is_tried_by_one_at_a_time() -> None:
    lanes = broken(Lanes(**FEW), "a")

    slow = lanes.begin("a")

    assert slow
    assert not lanes.admits("a")


def test_a_destination_that_is_reached_again_is_like_any_other() -> None:
    lanes = broken(Lanes(**FEW), "a")

    lanes.end("a", slow=lanes.begin("a"), reached=True)

    assert lanes.broken("a") is None
    assert not lanes.begin("a")
    assert lanes.admits("a")


def test_what_fails_before_its_time_makes_no_pause_longer() -> None:
    lanes, random = Lanes(), Random(1)

    until = lanes.put_off("a", 1000.0, random)

    assert 1000.0 + 48 <= until <= 1000.0 + 72
    for second in range(40):
        assert lanes.put_off("a", 1000.0 + second, random) == until


def test_each_failure_at_its_time_doubles_the_pause() -> None:
    lanes, now = Lanes(), 1000.0

    for pause in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        until = lanes.put_off("a", now, Random(1))
        assert pause * 0.8 <= until - now <= pause * 1.2
        now = until


def test_a_clock_that_was_ahead_puts_nothing_off_for_longer() -> None:
    lanes = Lanes()
    lanes.put_off("a", 1_000_000.0, Random(1))

    assert lanes.put_off("a", 1000.0, Random(1)) <= 1000.0 + schedule.UTMOST


def test_of_destinations_that_are_broken_so_many_are_remembered() -> None:
    lanes = Lanes(most_known=2)

    for destination in "abc":
        lanes.put_off(destination, 0.0, Random(1))

    assert [lanes.broken(each) is None for each in "abc"] == [True, False, False]
