from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import FrozenInstanceError, astuple, dataclass
from inspect import signature
from itertools import product
from operator import ge, gt, le, lt
from threading import Barrier
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.frozen import asdict, field, fields, frozen, mutable, ordered, replace

T = TypeVar("T")


def _declared(
    decorator: Callable[[type], Any], field: Callable[..., Any] = field, made: int = 0
) -> Any:
    """The same class, as each decorator makes it, after so many values were made of it."""

    class Letter(Generic[T]):
        """What somebody sends."""

        opened: ClassVar[int] = 0

        to: str
        words: T
        copies: tuple[str, ...] = ()
        marks: dict[str, int] = field(default_factory=dict)
        weight: int = field(default=1, compare=False)
        seal: str = field(default="wax", repr=False)
        length: int = field(init=False, repr=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(str(self.words)))

        def is_long(self) -> bool:
            return self.length > 3

    declared = decorator(Letter)
    for number in range(made):
        declared(str(number), "before")
    return declared


OURS = _declared(frozen)
THEIRS = _declared(dataclass(frozen=True, slots=True), dataclasses.field)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(repr, id="repr"),
        pytest.param(dataclasses.asdict, id="asdict"),
        pytest.param(
            lambda it: dataclasses.asdict(dataclasses.replace(it, to="you", marks={"a": 1})),
            id="replace",
        ),
        pytest.param(
            lambda it: [(each.name, each.compare) for each in dataclasses.fields(it)], id="fields"
        ),
        pytest.param(lambda it: it.is_long(), id="its own method"),
        pytest.param(lambda it: it.length, id="a field that it computes"),
        pytest.param(lambda it: it.opened, id="a variable of the class"),
        pytest.param(lambda it: type(it).__match_args__, id="patterns"),
        pytest.param(lambda it: type(it).__slots__, id="slots"),
        pytest.param(lambda it: (type(it).__doc__, type(it).__module__), id="its words"),
        pytest.param(lambda it: type(it).__qualname__, id="its name"),
        pytest.param(lambda it: type(it)("me", "hello", seal="x") == it, id="another"),
        pytest.param(lambda it: type(it)("me", "hello", weight=7) == it, id="not compared"),
        pytest.param(lambda it: type(it)("me", "hello") == it, id="equal"),
        pytest.param(lambda it: deepcopy(it) == it, id="a copy"),
        pytest.param(lambda it: deepcopy(it).marks is it.marks, id="a deep one"),
        pytest.param(lambda it: it == ("me", "hello"), id="no tuple"),
        pytest.param(lambda it: hasattr(it, "__dict__"), id="nothing but its fields"),
    ],
)
def test_a_value_is_as_the_standard_library_would_make_it(told: Callable[[Any], object]) -> None:
    for declared in (_declared(frozen), _declared(frozen, made=100)):
        assert told(declared("me", "hello")) == told(THEIRS("me", "hello"))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param((), {}, id="none"),
        pytest.param(("me",), {}, id="too few"),
        pytest.param(("me", "hello", (), {}, 1, "wax", 5), {}, id="too many"),
        pytest.param(("me", "hello"), {"to": "you"}, id="twice"),
        pytest.param(("me", "hello"), {"length": 5}, id="one that it computes"),
    ],
)
def test_what_does_not_fit_is_refused_as_by_any_function(
    given: tuple[object, ...], named: Mapping[str, object]
) -> None:
    for declared in (_declared(frozen), _declared(frozen, made=100)):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            declared(*given, **named)


def test_two_that_are_equal_have_one_hash() -> None:
    @frozen
    class Point:
        x: int
        y: int

    assert {Point(1, 2): "here"}[Point(1, 2)] == "here"
    assert len({Point(1, 2), Point(2, 1), Point(1, 2)}) == 2


def test_two_classes_with_equal_fields_are_not_equal() -> None:
    @frozen
    class Missing:
        name: str

    @frozen
    class Surplus:
        name: str

    assert Missing("a") != Surplus("a")


def test_one_without_fields_is_equal_to_each_other() -> None:
    @frozen
    class Commit:
        pass

    assert Commit() == Commit()
    assert repr(Commit()).endswith("Commit()")


@pytest.mark.parametrize(
    "change", [lambda it: setattr(it, "to", "you"), lambda it: delattr(it, "to")]
)
def test_a_field_is_not_to_change(change: Callable[[Any], None]) -> None:
    letter = OURS("me", "hello")

    with pytest.raises(FrozenInstanceError, match="to of"):
        change(letter)

    assert letter.to == "me"


def test_what_a_factory_makes_is_of_one_value_alone() -> None:
    first, second = OURS("me", "hello"), OURS("me", "hello")

    first.marks["read"] = 1

    assert second.marks == {}


def test_its_fields_are_told_before_there_is_any_value() -> None:
    declared = _declared(frozen)

    assert dataclasses.is_dataclass(declared)
    named = [each.name for each in dataclasses.fields(THEIRS)]
    assert [each.name for each in dataclasses.fields(declared)] == named
    assert list(fields(declared)) == named


def test_a_class_of_the_standard_library_may_inherit_its_fields() -> None:
    @frozen
    class Engine:
        name: str

    @dataclass(frozen=True)
    class Watched(Engine):
        since: int

    assert Watched("smtp", 3) == Watched(name="smtp", since=3)
    assert dataclasses.asdict(Watched("smtp", 3)) == {"name": "smtp", "since": 3}


def test_its_signature_is_known_before_there_is_a_value():
    assert str(signature(_declared(frozen))).startswith("(to, words, copies=")


def _together(does: Callable[[], T]) -> list[T]:
    """What each of four threads comes to that begin at once and take turns all the time."""
    start, switching = Barrier(4), sys.getswitchinterval()

    def begin() -> T:
        start.wait()
        return does()

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(start.parties) as threads:
            begun = [threads.submit(begin) for _ in range(start.parties)]
            return [each.result() for each in begun]
    finally:
        sys.setswitchinterval(switching)


def test_threads_may_ask_together_what_it_is_made_of():
    kinds = [_declared(frozen) for _ in range(50)]
    told = _together(lambda: [[part.name for part in dataclasses.fields(kind)] for kind in kinds])
    assert all(each == told[0] for each in told)


def test_threads_may_make_the_first_value_together():
    kinds = [_declared(frozen) for _ in range(50)]
    made = _together(lambda: [kind("you", "hello") for kind in kinds])
    assert all(each == made[0] for each in made)


@ordered
class Pair:
    """Two things."""

    first: int
    second: str = ""

    def __str__(self) -> str:
        return f"{self.first}{self.second}"


class Twin(Pair):
    """Another that is made of the same."""

    __slots__ = ()


@given(st.lists(st.builds(Pair, st.integers(0, 3), st.text("ab", max_size=2))))
def test_an_ordered_class_stands_in_the_order_of_its_fields(pairs: list[Pair]) -> None:
    assert sorted(pairs) == sorted(pairs, key=astuple)
    for one, other in product(pairs, pairs):
        low, high = astuple(one), astuple(other)
        assert (one < other, one <= other) == (low < high, low <= high)
        assert (one > other, one >= other) == (low > high, low >= high)


@pytest.mark.parametrize("compare", [lt, le, gt, ge])
def test_what_is_of_another_class_is_neither_less_nor_more(
    compare: Callable[[object, object], bool],
) -> None:
    with pytest.raises(TypeError, match="not supported"):
        compare(Pair(1), Twin(1))
    with pytest.raises(TypeError, match="not supported"):
        compare(Pair(1), 1)


def test_one_that_adds_no_fields_is_copied_and_compared_as_what_it_is() -> None:
    it = Twin(1, "a")

    copied = pickle.loads(pickle.dumps(it))

    assert (copied, type(copied), hash(copied)) == (it, Twin, hash(it))
    assert it != Pair(1, "a")
    assert repr(it) == "Twin(first=1, second='a')"
    assert replace(it, second="b") == Twin(1, "b")


@frozen
class Parcel:
    """Something of many parts."""

    sender: str
    to: str
    weight: int = 1
    stamps: list[str] = field(default_factory=list)
    is_open: bool = False


class Gift(Parcel):
    """Another that is made of the same."""

    __slots__ = ()


@pytest.mark.parametrize("kind", [Parcel, Gift])
def test_of_many_values_of_many_fields_each_is_of_its_class_and_frozen(kind: type[Parcel]) -> None:
    made = [kind("me", to=str(number)) for number in range(20)]

    assert {type(it) for it in made} == {kind}
    assert [it.to for it in made] == [str(number) for number in range(20)]
    assert len({id(it.stamps) for it in made}) == len(made)
    for it in made:
        with pytest.raises(FrozenInstanceError):
            it.weight = 2  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del it.weight
        assert it == kind("me", it.to)


def test_ours_tell_and_replace_what_theirs_do() -> None:
    ours, theirs = OURS("me", (Pair(1),)), THEIRS("me", (Pair(1),))

    assert asdict(ours) == dataclasses.asdict(theirs)
    assert asdict(replace(ours, copies=("you",))) == dataclasses.asdict(
        dataclasses.replace(theirs, copies=("you",))
    )
    with pytest.raises(TypeError, match="unexpected"):
        replace(ours, sender="me")


def test_what_is_within_a_value_is_told_as_well() -> None:
    class Place(NamedTuple):
        pair: Pair
        line: int

    @frozen
    class Shelf:
        named: Mapping[str, Place | Sequence[Pair]]

    told = asdict(Shelf({"a": Place(Pair(1), 2), "b": [Pair(3)]}))

    one, other = {"first": 1, "second": ""}, {"first": 3, "second": ""}
    assert told == {"named": {"a": (one, 2), "b": [other]}}


def test_one_that_changes_is_compared_by_its_fields_and_has_no_hash() -> None:
    @mutable
    class Tally:
        done: int
        left: list[int] = field(default_factory=list)

    tally = Tally(1)
    tally.done += 1
    tally.left.append(3)

    assert tally == Tally(2, [3])
    assert repr(tally).endswith("Tally(done=2, left=[3])")
    with pytest.raises(TypeError, match="unhashable"):
        hash(tally)
    assert not Tally.__dataclass_params__.frozen


def test_a_field_of_the_standard_library_is_refused_where_the_class_is_declared() -> None:
    with pytest.raises(TypeError, match="desired"):
        _declared(frozen, dataclasses.field)


@pytest.mark.parametrize("declare", [frozen, ordered, mutable])
def test_a_class_that_would_inherit_fields_is_refused_where_it_is_declared(
    declare: Callable[[type], type],
) -> None:
    with pytest.raises(TypeError, match="inherit"):

        @declare
        class Third(Pair):
            third: int


def test_one_that_is_made_in_another_way_may_be_made_by_its_base() -> None:
    class Doubled(Pair):
        __slots__ = ()

        def __init__(self, first: int) -> None:
            super().__init__(first * 2, "twice")

    assert (Doubled(1).first, Doubled(2).first, Doubled(2).second) == (2, 4, "twice")
