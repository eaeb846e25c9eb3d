from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.flowed import MOST_LINES, joined
from aimx.mail.mime import document


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("one \ntwo\nthree", "one two\nthree", id="a paragraph"),
        pytest.param("one \r\ntwo\r\n", "one two\n", id="CRLF"),
        pytest.param(
            " From here\n  two\n >not quoted", "From here\n two\n>not quoted", id="stuffed"
        ),
        pytest.param("> a \n> b\n>> c \n>> d\ne", "> a b\n>> c d\ne", id="quoted"),
        pytest.param("> a\n>\n>>b", "> a\n>\n>> b", id="an empty line quoted"),
        pytest.param("> a \nb", "> a \nb", id="another depth"),
        pytest.param(">a\n> b", "> a\n> b", id="quoted without a space"),
        pytest.param("bye \n-- \nAnn", "bye \n-- \nAnn", id="a signature"),
        pytest.param("> bye \n> -- \n> Ann", "> bye \n> -- \n> Ann", id="a quoted signature"),
        pytest.param("one \n\ntwo", "one \n\ntwo", id="an empty line stays"),
        pytest.param("one ", "one ", id="the last line"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_paragraph_is_one_line_again(text: str, read: str) -> None:
    assert joined(text, delsp=False) == read


def test_with_delsp_a_long_address_is_whole_again() -> None:
    text = "see https://example.com/one/ \ntwo\n\nand  \nmore"

    assert joined(text, delsp=True) == "see https://example.com/one/two\n\nand more"


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        pytest.param("text/plain; format=flowed", "a b\n", id="flowed"),
        pytest.param("text/plain; Format=Flowed; DelSp=Yes", "ab\n", id="delsp"),
        pytest.param("text/plain; format=fixed", "a \nb\n", id="fixed"),
        pytest.param("text/plain; delsp=yes", "a \nb\n", id="not flowed"),
    ],
)
def test_text_flows_where_its_type_says_so(declared: str, body: str) -> None:
    content = f"Content-Type: {declared}\r\n\r\na \r\nb\r\n".encode()

    assert document(content).body == body


@given(st.lists(st.text("ab >-", max_size=6)))
def test_no_word_is_lost_or_changed(lines: list[str]) -> None:
    text = "\n".join(lines)

    assert re.sub("[ >\n]", "", joined(text, delsp=False)) == re.sub("[ >\n]", "", text)


def test_a_text_of_too_many_lines_is_left_as_it_came() -> None:
    text = "a \n" * (MOST_LINES + 1)

    assert joined(text, delsp=False) == text
