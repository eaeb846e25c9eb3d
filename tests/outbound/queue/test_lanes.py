from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound.queue.lanes import Lanes

FEW = {"most": 8, "most_to_one": 2, "most_broken": 3}
places = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"])


def broken(lanes: Lanes, *destinations: str) -> Lanes:
    for destination in destinations:
        lanes.end(destination, slow=lanes.begin(destination), reached=False)
    return lanes


@given(st.lists(st.tuples(places, st.booleans(), st.sampled_from([True, False, None]))))
def test_no_bound_is_ever_exceeded(steps: list[tuple[str, bool, bool | None]]) -> None:
    lanes, under_way = Lanes(**FEW), []
    for destination, begins, reached in steps:
        if begins and lanes.admits(destination):
            under_way.append((destination, lanes.begin(destination)))
        elif not begins and under_way:
            ended, slow = under_way.pop(0)
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
    lanes = broken(Lanes(**FEW), "a", "a")
    assert lanes.failures("a") == 2

    lanes.end("a", slow=lanes.begin("a"), reached=True)

    assert lanes.failures("a") == 0
    assert not lanes.begin("a")
    assert lanes.admits("a")
