from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.mime import File, document
from aimx.mail.transfer import Decoded, decode, uuencoded


def encoded(octets: bytes, *, blank: bytes = b"`") -> bytes:
    lines = (octets[at : at + 45] for at in range(0, len(octets), 45))
    body = b"".join(binascii.b2a_uu(line).replace(b" ", blank) for line in lines)
    return b"begin 644 a file.png\n" + body + blank + b"\nend\n"


@given(st.binary(max_size=500), st.sampled_from([b" ", b"`"]), st.sampled_from([b"\n", b"\r\n"]))
def test_what_is_uuencoded_comes_back(octets: bytes, blank: bytes, line_end: bytes) -> None:
    raw = b"\nsome words\n" + encoded(octets, blank=blank) + b"\n"

    assert uuencoded(raw.replace(b"\n", line_end)) == Decoded(octets)


@pytest.mark.parametrize("name", ["x-uuencode", "uuencode", "x-uue"])
def test_it_goes_by_several_names(name: str) -> None:
    assert decode(encoded(b"PNG"), name) == Decoded(b"PNG")


@pytest.mark.parametrize(
    ("raw", "octets"),
    [
        pytest.param(b"begin 644 x\n#4$Y'\n", b"PNG", id="no end"),
        pytest.param(
            b"begin 644 x\n#4$Y'\n#\x7f\x7f\x7f\x7f\nend\n", b"PNG", id="other characters"
        ),
    ],
)
def test_what_is_cut_short_gives_what_there_is_and_says_so(raw: bytes, octets: bytes) -> None:
    found = document(
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n" + raw
    )

    assert found.files == (File("", "image/png", octets),)
    assert found.notes == (
        "A file is damaged: its x-uuencode ends early, or has other characters in it",
    )


@pytest.mark.parametrize(
    "raw", [b"no such thing", b"begin 644 x\n" + b"!\n" * 600_000], ids=["none", "too many lines"]
)
def test_what_cannot_be_undone_is_left_as_it_is(raw: bytes) -> None:
    assert uuencoded(raw) == Decoded(raw)


def test_a_line_that_is_filled_with_anything_is_read() -> None:
    assert uuencoded(b"begin 644 x\n#4$Y'*\nend\n") == Decoded(b"PNG")


@given(st.binary() | st.binary().map(lambda octets: b"begin 644 x\n" + octets))
def test_no_octets_at_all_make_it_fail(raw: bytes) -> None:
    assert isinstance(uuencoded(raw), Decoded)
