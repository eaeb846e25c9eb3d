from desired.itself import once


def test_what_follows_from_a_value_is_computed_once_while_it_is_the_same():
    asked: list[list[int]] = []

    @once
    def length(value: list[int]) -> int:
        asked.append(value)
        return len(value)

    one, equal = [1, 2], [1, 2]

    assert [length(one), length(one), length(equal), length(one)] == [2, 2, 2, 2]
    assert list(map(id, asked)) == [id(one), id(equal)]


def test_what_follows_from_a_value_before_the_last_two_is_let_go():
    asked: list[str] = []

    @once
    def told(value: list[str]) -> str:
        asked.extend(value)
        return "".join(value)

    first, second, third = ["a"], ["b"], ["c"]

    assert [told(value) for value in (first, second, third, second, first)] == list("abcba")
    assert asked == list("abca")
