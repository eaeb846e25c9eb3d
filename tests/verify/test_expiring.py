from aimx.verify.expiring import Expiring


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_past_its_time_is_forgotten():
    clock = Clock()
    kept = Expiring[str, int](10, clock)
    kept.put("a", 1, 60)

    clock.now = 59
    before = kept.get("a")
    clock.now = 60

    assert (before, kept.get("a"), len(kept)) == ((1, 1.0), None, 0)


def test_at_the_limit_what_was_not_asked_for_the_longest_goes():
    kept = Expiring[str, int](2, Clock())
    kept.put("a", 1, 60)
    kept.put("b", 2, 60)
    kept.get("a")

    kept.put("c", 3, 60)

    assert [kept.get(key) is not None for key in "abc"] == [True, False, True]


def test_what_has_no_time_is_not_kept():
    kept = Expiring[str, int](2, Clock())
    kept.put("a", 1, 60)

    kept.put("a", 2, 0)

    assert kept.get("a") is None


def test_a_heavy_thing_takes_the_place_of_several():
    kept = Expiring[str, int](10, Clock())
    for key in "abcd":
        kept.put(key, 1, 60, weight=3)
    kept.put("e", 1, 60, weight=6)

    assert [key for key in "abcde" if kept.get(key)] == ["d", "e"]


def test_what_is_heavier_than_all_that_may_be_kept_is_not_kept():
    kept = Expiring[str, int](10, Clock())
    kept.put("a", 1, 60)

    kept.put("b", 1, 60, weight=11)

    assert [key for key in "ab" if kept.get(key)] == ["a"]
