"""What only a program reads does not get past who looks at the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import words
from aimx.mail.invisible import without
from aimx.mail.mime import document

TAGGED = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore")
ENGLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param(f"a{TAGGED}b", "a\ufffdb", id="tags"),
        pytest.param(f"\U0001f3f4{TAGGED}", "\U0001f3f4\ufffd", id="tags-behind-a-flag"),
        pytest.param("x\ufe01\U000e0155\U000e0141", "x\ufffd", id="selectors"),
        pytest.param("a\u202egpj.exe", "a\ufffdgpj.exe", id="order"),
        pytest.param("a\ufff9b\ufffac\ufffb", "a\ufffdb\ufffdc\ufffd", id="annotation"),
        pytest.param("i\u200bg\u2060n\u00ado\ufeffre", "ignore", id="between-letters"),
        pytest.param("a\u200c\u200d\u200c\u200cb", "ab", id="joiners-in-code"),
        pytest.param("a\u200c\u200b\u200c\u2063b", "ab", id="mixed-code"),
        pytest.param("\u3164\u115f\uffa0", "", id="fillers"),
    ],
)
def test_what_nobody_sees_is_no_text(text: str, seen: str) -> None:
    content = f"Content-Type: text/plain; charset=utf-8\r\n\r\n<{text}>".encode()
    html = f"Content-Type: text/html; charset=utf-8\r\n\r\n<b>x</b>{text}y".encode()

    assert document(content).body == f"<{seen}>\n"
    assert document(html).body == f"**x**{seen}y\n"
    assert words.text(f"<{text}>".encode()) == f"<{seen}>"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="Persian"),
        pytest.param("\U0001f468\u200d\U0001f469\u200d\U0001f467", id="a-family"),
        pytest.param("\u2764\ufe0f 1\ufe0f\u20e3", id="a-heart-and-a-key"),
        pytest.param("\u845b\U000e0100", id="a-form-of-an-ideograph"),
        pytest.param(ENGLAND, id="England"),
        pytest.param("\u05d0\u200f (\u2067\u05d1\u2069)", id="Hebrew"),
    ],
)
def test_what_is_seen_stays(text: str) -> None:
    assert without(text) == text


@given(st.text(alphabet=f"a\u200b\u200c\u200d\ufe0f\u202e{TAGGED}\U000e007f\U0001f3f4"))
def test_what_is_seen_is_seen_again(text: str) -> None:
    assert without(without(text)) == without(text)
