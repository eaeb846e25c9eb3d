import re

import dkim
from hypothesis import given
from hypothesis import strategies as st

from aimx.verify import signed

lines = st.lists(
    st.sampled_from([b"A", b"b-C", b":", b": x", b"\xe9", b" ", b"\t", b";", b"="]), min_size=1
).map(b"".join)
# dkimpy takes a line that begins with a colon for a field whose name is a colon, and one with
# blanks before its colon for none.
lines = lines.filter(lambda line: not re.match(rb":|[!-9;-~]+[ \t]+:", line))
# What dkimpy looks for when it leaves the value of `b=` out of what it hashes.
B_TAG = re.compile(rb"((?:\A|;)\s*b\s*=)[^;]*")
tags = st.lists(st.sampled_from([b"b", b"b ", b"bh", b" b", b"\r\n b", b"=", b"a", b";", b"Zm9v"]))


@given(st.lists(lines, min_size=1).map(b"\r\n".join))
def test_a_header_has_the_fields_that_dkimpy_finds_in_it(header):
    content = b"DKIM-Signature: v=1\r\n" + header + b"\r\n\r\nbody\r\n"
    try:
        expected, _ = dkim.rfc822_parse(content)
    except dkim.MessageFormatError:
        expected = None
    try:
        found = signed.read(content)
    except signed.SignatureError:
        found = None

    assert (None if found is None else [list(field) for field in found.fields]) == expected


@given(tags.map(b"".join))
def test_a_signature_is_hashed_without_the_value_of_b(value):
    assert signed.without_signature(value) == B_TAG.sub(rb"\1", value)
