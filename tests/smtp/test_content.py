import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.smtp.content import Content, Malformed
from aimx.smtp.replies import TEXT_LINE_TOO_LONG, TOO_LARGE

LONGEST = 64 * 1024
PLENTY = 10_000_000
# What content is made of where it matters.
fragments = st.sampled_from(
    [b"\r\n", b".", b"\r\n.", b"\r\n.\r\n", b"\r", b"\n", b"\0", b"a", b"\xff"]
)
contents = st.lists(fragments, max_size=12).map(b"".join)
harmless = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\xff"]), max_size=40).map(b"".join)


def fed(blocks, most=PLENTY):
    """All that came of the blocks: text, rest (None: no end), whether malformed, refusal."""
    content, text = Content(most, LONGEST), b""
    for number, block in enumerate(blocks):
        match content.feed(block):
            case Malformed():
                return "malformed"
            case piece:
                text += piece.text
                if piece.rest is not None:
                    behind = b"".join(blocks[number + 1 :])
                    return content.refusal or text, piece.rest + behind
    return content.refusal, None


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(whole) + 1) for place in places} - {0}), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges) if start < end]


def stuffed(text: bytes) -> bytes:
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", text) + b".\r\n"


def expected(whole: bytes):
    """RFC 5321 4.1.1.4 and 4.5.2, the slow way."""
    before, end, rest = (b"\r\n" + whole).partition(b"\r\n.\r\n")
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", before + (end and b"\r\n")):
        return "malformed"
    if not end:
        return None, None
    return re.sub(rb"\r\n\.", b"\r\n", before + b"\r\n")[2:], rest


@given(contents, contents)
def test_content_ends_at_a_dot_between_line_ends_and_nowhere_else(before, behind):
    whole = before + b"\r\n.\r\n" + behind

    assert fed([whole]) == expected(whole)


@given(contents, st.lists(st.integers(0, 60), max_size=6))
def test_cut_anywhere_it_is_the_same_content(whole, places):
    whole += b"x\r\n.\r\n"

    assert fed(cut(whole, places)) == fed([whole])
    assert fed([bytes([octet]) for octet in whole]) == fed([whole])


@given(harmless)
def test_what_was_stuffed_comes_out_as_it_was(text):
    text = text and text + b"\r\n"

    assert fed([stuffed(text)]) == (text, b"")


@given(harmless, st.integers(0, 60), st.lists(st.integers(0, 60), max_size=6))
def test_cut_anywhere_the_size_is_the_same(text, most, places):
    text = text and text + b"\r\n"

    outcome = (TOO_LARGE if len(text) > most else text), b""
    assert fed([stuffed(text)], most) == outcome
    assert fed(cut(stuffed(text), places), most) == outcome


@pytest.mark.parametrize("block", [1000, 4096, 65535, 65536, 65537, 10**6])
@pytest.mark.parametrize(
    ("lengths", "fits"),
    [
        pytest.param([LONGEST], True, id="longest"),
        pytest.param([LONGEST + 1], False, id="one-more"),
        pytest.param([2, LONGEST, 3, LONGEST, 2], True, id="longest-among-others"),
        pytest.param([80] * 2000 + [LONGEST + 1, 80], False, id="one-more-among-others"),
        pytest.param([80] * 4000, True, id="many"),
        pytest.param([200_000], False, id="enormous"),
    ],
)
def test_a_text_line_is_measured_with_its_end(lengths, fits, block):
    text = b"".join(b"x" * (length - 2) + b"\r\n" for length in lengths)
    sent = text + b".\r\n"
    blocks = [sent[start : start + block] for start in range(0, len(sent), block)]

    assert fed(blocks) == (text if fits else TEXT_LINE_TOO_LONG, b"")


def test_a_stuffed_dot_is_no_part_of_the_line():
    text = b"." * (LONGEST - 2) + b"\r\n"

    assert fed([b"." + text + b".\r\n"]) == (text, b"")


def test_a_refused_content_is_not_kept():
    content = Content(100, LONGEST)

    kept = [content.feed(b"x" * 60 + b"\r\n").text for _ in range(10)]

    # The line end is held back as long as a dot may follow.
    assert [len(text) for text in kept] == [60, *[0] * 9]


def test_too_large_outweighs_a_line_too_long():
    sent = b"x" * (LONGEST + 10) + b"\r\n.\r\n"

    assert fed([sent[:1000], sent[1000:]], most=100) == (TOO_LARGE, b"")
    assert fed([sent], most=100) == (TOO_LARGE, b"")
