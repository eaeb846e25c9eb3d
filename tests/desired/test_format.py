import math
from collections import Counter
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from desired.format import formatted
from desired.problem import ManifestError, Source
from desired.statements import comments, cut

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "manifests").glob("*.toml"))

CASES = {
    "spaces around the sign": ("a=1\n b   =  2\n", "a = 1\nb = 2\n"),
    "spaces in a header": ('[ mailboxes . "x@a.com" ]\n', '[mailboxes."x@a.com"]\n'),
    "quotes where none are needed": ("'a' = 'b'\n\"c\" = 1\n", 'a = "b"\nc = 1\n'),
    "a literal string that would need escapes": ("a = 'b\\\"'\n", "a = 'b\\\"'\n"),
    "spaces in an array": ("a=[ 'b' ,'c', ]\n", 'a = ["b", "c"]\n'),
    "spaces in an inline table": ("a={b=1 ,'c d'=[ ]}\n", 'a = { b = 1, "c d" = [] }\n'),
    "an array over several lines": ("a=[1,\n2]\n", "a = [\n    1,\n    2,\n]\n"),
    "comments in an array": (
        "a = [ # b\n1 # c\n, # d\n2, # e\n# f\n]\n",
        "a = [\n    # b\n    1,  # c\n    # d\n    2,  # e\n    # f\n]\n",
    ),
    "arrays in an array": (
        "a = [[1, 2], [ # b\n3]]\n",
        "a = [\n    [1, 2],\n    [\n        # b\n        3,\n    ],\n]\n",
    ),
    "an inline table over several lines": ("a = {\n b = 1,\n}\n", "a = { b = 1 }\n"),
    "empty lines": ("\n\na = 1\n\n\n\nb = 2\n\n", "a = 1\n\nb = 2\n"),
    "no empty line before a table": ("a = 1\n[b]\nc = 1\n[[d]]", "a = 1\n\n[b]\nc = 1\n\n[[d]]\n"),
    "an empty line behind a header": ("[b]\n\nc = 1\n", "[b]\nc = 1\n"),
    "a comment right above a table": ("a = 1\n# b\n# c\n[b]\n", "a = 1\n\n# b\n# c\n[b]\n"),
    "a comment behind a value": ("a = 1 # b\n", "a = 1  # b\n"),
    "aligned comments": ("a = 1    # b\nbb=2     # c\n", "a = 1    # b\nbb = 2   # c\n"),
    "a date and its time": ("a=1979-05-27 07:32:00# b\n", "a = 1979-05-27 07:32:00  # b\n"),
    "a long string": ('a="""\n  b # no\n"""# c\n', 'a = """\n  b # no\n"""  # c\n'),
    "line ends of another system": ("a=1\r\n[b]\r\n", "a = 1\r\n\r\n[b]\r\n"),
    "nothing": ("", ""),
}


def through(text: str) -> str:
    return formatted(Source("manifest.toml", text.encode())).raw.decode()


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_text_is_formatted_like_this(text: str, expected: str) -> None:
    assert through(text) == expected


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_formatted(path: Path) -> None:
    source = Source(path.name, path.read_bytes())

    assert formatted(source) == source


@given(data=st.data())
def test_formatting_loses_nothing_and_is_done_once(
    data: st.DataObject, manifests: st.SearchStrategy[str]
) -> None:
    text = data.draw(manifests)

    once = through(text)

    assert through(once) == once
    assert tomli.loads(once) == tomli.loads(text)
    assert Counter(comments(once)) == Counter(comments(text))


@given(data=st.data())
def test_statements_joined_are_the_text(
    data: st.DataObject, manifests: st.SearchStrategy[str]
) -> None:
    text = data.draw(manifests)

    assert "".join(statement.text for statement in cut(text)) == text


def test_a_byte_order_mark_stays() -> None:
    assert through("\ufeffa=1") == "\ufeffa = 1\n"


def test_what_is_equal_only_to_python_stays_as_it_is() -> None:
    found = tomli.loads(through("a = [nan, 1.0, true, 1]"))["a"]

    assert math.isnan(found[0])
    assert list(map(type, found)) == [float, float, bool, int]


def test_what_is_nested_beyond_reason_stays_as_it_is() -> None:
    text = f"a = {'[' * 300}{'] ' * 300}".rstrip() + "\n"

    assert through(text) == text


def test_a_text_that_is_no_toml_is_not_formatted() -> None:
    with pytest.raises(ManifestError) as caught:
        through("a = [")

    assert [problem.code for problem in caught.value.problems] == ["syntax"]
