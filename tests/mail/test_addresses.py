from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aimx.mail.addresses import AddressError, Correspondent, correspondents, shown


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"alice@a.example", [("", "alice", "a.example")]),
        (b"<alice@a.example>", [("", "alice", "a.example")]),
        (b"Alice <alice@a.example>", [("Alice", "alice", "a.example")]),
        (b"Alice P. Liddell <alice@A.Example>", [("Alice P. Liddell", "alice", "a.example")]),
        (b'"Liddell, Alice" <alice@a.example>', [("Liddell, Alice", "alice", "a.example")]),
        (b"alice@a.example (Alice)", [("", "alice", "a.example")]),
        (b"(a (nested) comment) alice@a.example", [("", "alice", "a.example")]),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@a.example>", [("J\u00fcrgen", "j", "a.example")]),
        ("Jürgen <jürgen@bücher.example>".encode(), [("Jürgen", "jürgen", "bücher.example")]),
        (b'"alice"@a.example', [("", "alice", "a.example")]),
        (b'"a lice"@a.example', [("", '"a lice"', "a.example")]),
        (b"alice @ a . example", [("", "alice", "a.example")]),
        (b"a..b.@a.example", [("", "a..b.", "a.example")]),
        (b"alice@[192.0.2.1]", [("", "alice", "[192.0.2.1]")]),
        (b"a@a.example,, b@b.example,", [("", "a", "a.example"), ("", "b", "b.example")]),
        (b"", []),
        # CVE-2023-27043: the name is no address, however much it looks like one.
        (b'"boss@a.example" <x@b.example>', [("boss@a.example", "x", "b.example")]),
        (b"boss@a.example <x@b.example>", [("boss@a.example", "x", "b.example")]),
        (b"=?utf-8?q?boss=40a.example?= <x@b.example>", [("boss@a.example", "x", "b.example")]),
        (b"x@b.example (boss@a.example)", [("", "x", "b.example")]),
    ],
)
def test_addresses_are_read(value: bytes, found: list[tuple[str, str, str]]) -> None:
    assert correspondents(value) == tuple(Correspondent(*parts) for parts in found)


@pytest.mark.parametrize(
    "value",
    [
        b"alice",
        b"alice@",
        b"@a.example",
        b"alice bob@a.example",
        b"alice@a.example bob",
        b"alice@a.example <bob@b.example> carol",
        b"<alice@a.example> <bob@b.example>",
        b"alice@a.example)bob@b.example",
        b"alice@a.example@b.example",
        b"Liddell, Alice <alice@a.example>",
        b"undisclosed-recipients:;",
        b"friends: alice@a.example;",
        b"<@relay.example:alice@a.example>",
        b"alice@a..example",
        b"alice@a.example.",
        b'"alice@a.example',
        b"(alice@a.example",
        b"alice@a.example\0.b.example",
        b"(" * 11 + b")" * 11 + b"a@a.example",
        b"(" * 100_000,
        b"a@a.example," * 10_000,
        b"<alice@a.example",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(value: bytes) -> None:
    with pytest.raises(AddressError):
        correspondents(value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([b"Alice <alice@a.example>"], "Alice <alice@a.example>"),
        ([b"a@a.example,B <b@b.example>"], "a@a.example, B <b@b.example>"),
        ([b"a@a.example", b"b@b.example"], "a@a.example, b@b.example"),
        ([b"=?utf-8?q?boss=40a.example?= <x@b.example>"], '"boss@a.example" <x@b.example>'),
        ([b"=?utf-8?q?a_=3Cb=40b=3E?= <x@b.example>"], '"a <b@b>" <x@b.example>'),
        ([b"=?iso-8859-1?q?J\xfcrgen?= <j@b.example>"], "Jürgen <j@b.example>"),
        ([b"J\xfcrgen =?utf-8?q?\xc3\xa4?= <j@b.example>"], "Jürgen ä <j@b.example>"),
        ([b"=?x?q?\xfc <a@b.example>"], "=?x?q?ü <a@b.example>"),
        ([b"undisclosed-recipients:;"], "undisclosed-recipients:;"),
        ([], ""),
    ],
)
def test_addresses_are_shown_decoded_on_one_line(values: list[bytes], text: str) -> None:
    assert shown(values) == text


def test_of_many_fields_the_first_are_parsed_and_the_others_shown_as_they_are() -> None:
    field = b", ".join(b'"A" <a%d@b.example>' % number for number in range(200))

    text = shown([field] * 1_000)

    assert text.startswith("A <a0@b.example>, ")
    assert text.endswith('"A" <a199@b.example>')


atoms = st.text("abcXYZ0189!#$%&'*+/=?^_`{|}~-é", min_size=1, max_size=8)
domains = st.lists(st.text("abc019", min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)
people = st.builds(
    Correspondent,
    st.text('abc ,.@<>()[]:;\\"é日', max_size=12).map(str.strip),
    atoms,
    domains,
)


@given(st.lists(people, max_size=4))
def test_what_is_shown_reads_back_the_same(found: list[Correspondent]) -> None:
    text = ", ".join(map(str, found))

    assert correspondents(text.encode()) == tuple(found)


pieces = st.lists(st.sampled_from([*'ab@.,;:<>()[]"\\ \t=?é', "a@b.c", "=?utf-8?q?a?="]))


def read(value: bytes) -> tuple[Correspondent, ...] | None:
    try:
        return correspondents(value)
    except AddressError:
        return None


mentions = st.sampled_from(
    [
        *(
            b"a@b.c",
            b"<d@E.f>",
            b"g",
            b".",
            b"@",
            b"<",
            b">",
            b", ",
            b",",
            b";",
            b" ",
            b"\t",
            b"\\",
        ),
        *(
            b'"h, i@j" ',
            b'"',
            b"K. L ",
            b"=?utf-8?q?=C3=BC?= ",
            b"=?",
            b"(m)",
            "ü".encode(),
            b"\x7f",
        ),
    ]
)


@example(b"a@b.c; <d@E.f>")
@given(st.lists(mentions, max_size=12).map(b"".join))
def test_a_comment_behind_it_changes_nothing(value: bytes) -> None:
    assert read(value) == read(value + b" (a comment)")


@given(st.binary() | pieces.map(lambda found: "".join(found).encode()))
def test_reading_addresses_raises_nothing_but_its_own_error(value: bytes) -> None:
    try:
        found = correspondents(value)
    except AddressError:
        found = ()

    for one in found:
        assert one.local
        assert one.domain
    assert shown([value]).splitlines() in ([], [shown([value])])
