from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import words
from aimx.mail.invisible import without


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 2047 8, and what senders make of it.
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"Caf=C3=A9 =?utf-8?q?Caf=C3=A9?=", "Caf=C3=A9 Caf\u00e9"),
        (b"=?utf-8*de?Q?gr=C3=BCn?=", "gr\u00fcn"),
        (b"=?UTF-8?B?4oKs?=", "\u20ac"),
        pytest.param(b"=?UTF-8?B?4oI=?= =?UTF-8?B?rA==?=", "\u20ac", id="split in a character"),
        pytest.param(b"=?UTF-8?B?4oKs4oK?=", "\u20ac\ufffd", id="cut short"),
        pytest.param(b"=?nope?Q?=E9t=E9?=", "\u00e9t\u00e9", id="unknown charset"),
        pytest.param(b"=?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x", id="line end inside"),
        pytest.param(b"=?utf-8?Q?a=00b?=", "a b", id="NUL inside"),
        pytest.param("grün".encode(), "grün", id="raw UTF-8 (RFC 6532)"),
        pytest.param(b"gr\xfcn", "grün", id="raw Latin-1"),
        pytest.param(b"=?utf-8?Q?no end", "=?utf-8?Q?no end", id="no end"),
        pytest.param(b"=?idna?Q?xn--a?=", "xn--a", id="a codec that is no charset"),
    ],
)
def test_encoded_words_are_decoded(value: bytes, text: str) -> None:
    assert words.text(value) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])))
def test_what_is_encoded_comes_back(text: str) -> None:
    encoded = b"=?utf-8?B?" + base64.b64encode(text.encode()) + b"?="

    assert words.text(encoded) == without(text).strip()


@given(
    st.binary() | st.lists(st.sampled_from([b"=?", b"utf-8", b"?", b"b", b"=", b" "])).map(b"".join)
)
def test_decoded_text_is_one_line_that_a_file_can_hold(value: bytes) -> None:
    text = words.text(value)

    assert text.encode().decode() == text
    assert text.splitlines() in ([], [text])
    assert "\0" not in text
