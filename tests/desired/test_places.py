"""Where what is wrong stands, however much of it there is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.problem import Problem, Source, render_problem

Wrong = Callable[..., tuple[Problem, ...]]

places = st.sets(st.integers(0, 12))


def test_of_many_faults_each_has_its_own_place(wrong: Wrong) -> None:
    numbers = range(30)
    senders = f"trusted_senders = [{', '.join(map(str, numbers))}]"
    tables = "".join(f'[mailboxes."box{n}@b.com"]\nowner = "alice"\nbox = 1\n' for n in numbers)

    found = wrong(f'domains = ["a.com"]\n{senders}\n{tables}')

    places = [(each.where.line, each.where.column, each.code) for each in found]
    assert places == [
        (1, 12, "postmaster-missing"),
        *((2, each.start() + 1, "type") for each in re.finditer(r"\d+", senders)),
        *(
            place
            for line in range(3, 3 + 3 * len(numbers), 3)
            for place in ((line, 12, "unlisted-domain"), (line + 2, 1, "unknown-key"))
        ),
    ]


# More than a reading that looks at all of them for each would come to an end with.
MANY = 30_000


@pytest.mark.parametrize(
    ("text", "column"),
    [
        pytest.param(
            f"domains = [{', '.join(['1'] * MANY)}]\n", 12 + 3 * (MANY - 1), id="in-one-line"
        ),
        pytest.param("a" * 100 * MANY, 100 * MANY + 1, id="one-word"),
        pytest.param('x = "://' + ":" * 100 * MANY + "\n", 9 + 100 * MANY, id="no-password"),
    ],
)
def test_a_line_may_be_as_long_as_it_likes(wrong: Wrong, text: str, column: int) -> None:
    last = wrong(text)[-1]

    assert (last.where.line, last.where.column) == (1, column)
    assert len(render_problem(last).splitlines()[2]) <= 124


def test_of_many_dotted_keys_each_has_its_own_place(wrong: Wrong) -> None:
    lines = [f'mailboxes."box{n}@a.com".onwer = "alice"' for n in range(MANY // 3)]

    found = wrong("\n".join(['domains = ["a.com"]', *lines]))

    unknown = [each.where.line for each in found if each.code == "unknown-key"]
    assert unknown == list(range(2, 2 + len(lines)))


@given(places, places)
def test_an_item_is_known_by_its_number_in_the_file(first: set[int], second: set[int]) -> None:
    source, items = Source("m.toml", b""), list(range(20))
    for gone in (first, second):
        source = source.lacking([("domains", number) for number in gone])
        items = [item for number, item in enumerate(items) if number not in gone]

    told = [source.written(("domains", number)) for number in range(len(items))]

    assert told == [("domains", item) for item in items]
