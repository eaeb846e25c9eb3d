from dkim.util import InvalidTagValueList, parse_tag_value
from hypothesis import example, given
from hypothesis import strategies as st

from aimx.verify.signature import SignatureError, tags_of

tag_lists = st.lists(
    st.sampled_from(
        [
            b"v",
            b"b",
            b"bh",
            b"h",
            b"1",
            b"_",
            b"=",
            b";",
            b" ",
            b"\t",
            b"\r\n ",
            b"a1",
            b"\xe4",
            b"",
        ]
    ),
    max_size=20,
).map(b"".join)


def theirs(value: bytes) -> dict[bytes, bytes] | None:
    try:
        tags = parse_tag_value(value)
    except InvalidTagValueList:
        return None
    return tags | {tag: b"".join(tags[tag].split()) for tag in (b"b", b"bh") if tag in tags}


def ours(value: bytes) -> dict[bytes, bytes] | None:
    try:
        return dict(tags_of(value))
    except SignatureError:
        return None


@given(st.one_of(tag_lists, st.binary(max_size=60)))
@example(b"")
@example(b" v=1; b=a b\r\n c;")
@example(b"v=1;;")
@example(b"v=1; v=2")
def test_tags_are_read_as_dkimpy_reads_them(value):
    assert ours(value) == theirs(value)
