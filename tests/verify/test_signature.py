from datetime import UTC, datetime

import dkim
import pytest
from dkim.util import InvalidTagValueList, parse_tag_value
from hypothesis import example, given
from hypothesis import strategies as st

from aimx.verify.signature import SignatureError, read, tags_of

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


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOUND = tags_of(b"v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=AAAA; b=AAAA")
NAMES = *SOUND, b"i", b"l", b"q", b"c", b"cv", b"z"
TEXTS = (
    *(None, b"", b"1", b"x", b"AAA", b"AAAA", b"AAA=", b"A=AA", b"A!AA", b"=AAA", b"\xff", b"b@c"),
    *(b"a.example", b"@a.example", b"@b.a.example", b"@evila.example", b"dns/txt"),
    *(b"rsa-sha1", b"ed25519-sha256", b"from:to", b"9" * 77),
)
BROKEN = (
    *("the tags break RFC 6376 3.5", "the tags cannot be read"),
    *("i= is outside of d=", "q= names no way to look up the key that is known"),
)


@pytest.mark.parametrize("tag", NAMES)
def test_a_signature_breaks_the_rules_that_dkimpy_keeps(tag):
    changed = [{**SOUND, tag: text} for text in TEXTS]
    tags = [{tag: text for tag, text in each.items() if text is not None} for each in changed]

    assert [keeps_to_the_syntax(each) for each in tags] == [dkimpy_takes(each) for each in tags]


def dkimpy_takes(tags: dict[bytes, bytes]) -> bool:
    try:
        dkim.validate_signature_fields(tags)
    except (dkim.DKIMException, IndexError):
        return False
    return True


def keeps_to_the_syntax(tags: dict[bytes, bytes]) -> bool:
    try:
        read(tags, "a.example", "s", NOW)
    except SignatureError as trouble:
        return trouble.reason not in BROKEN
    return True
