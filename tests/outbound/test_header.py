import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound import header
from aimx.outbound.refusal import SubmissionError


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
