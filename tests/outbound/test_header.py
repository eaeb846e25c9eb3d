import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound import header
from aimx.outbound.refusal import SubmissionError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("=?utf-8?B?SMOp?= x", "Hé x", id="base64"),
        pytest.param("=?UTF-8?q?a_b=C3=A9?=", "a bé", id="quoted"),
        pytest.param("=?iso-8859-1?Q?=E9?=", "é", id="latin-1"),
        pytest.param("=?utf-8*en?B?SMOp?=", "Hé", id="language"),
        pytest.param(
            "=?utf-8?B?SA==?= =?utf-8?B?aQ==?=", "Hi", id="blank-between-words-is-not-shown"
        ),
        pytest.param("=?rot13?Q?nop?=", "=?rot13?Q?nop?=", id="a-codec-that-is-no-charset"),
        pytest.param("=?utf-8?B?!?=", "=?utf-8?B?!?=", id="broken-base64"),
        pytest.param(
            "=?utf-8?Q?a=0D=0ABcc:_x@y.example?=", "a  Bcc: x@y.example", id="hidden-line-end"
        ),
    ],
)
def test_encoded_words_are_shown_as_a_reader_sees_them(text: str, shown: str) -> None:
    assert header.decoded(text) == shown


@given(st.text(min_size=1))
def test_what_is_encoded_is_ascii_in_short_words_and_decodes_to_the_same(text: str) -> None:
    words = header.encoded(text)

    assert words.isascii()
    assert max(map(len, words.split(" "))) <= 75
    assert str(email.header.make_header(email.header.decode_header(words))) == text


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=90)))
def test_folding_adds_nothing_but_line_ends_before_blanks(words: list[str]) -> None:
    value = " ".join(words)

    folded = header.field("X", value)

    assert folded.replace(b"\r\n ", b" ") == b"X: " + value.encode() + b"\r\n"
    assert all(line.strip() for line in folded.split(b"\r\n")[:-1])


def test_a_word_that_no_line_can_hold_is_refused() -> None:
    with pytest.raises(SubmissionError, match="998 octets"):
        header.field("References", "<" + "a" * 1000 + ">")
