from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import header


@pytest.mark.parametrize(
    ("content", "values"),
    [
        pytest.param(b"Subject: hello\r\n\r\nbody", [b"hello"], id="plain"),
        pytest.param(b"SUBJECT:hello\n\nbody", [b"hello"], id="bare line feeds, other case"),
        pytest.param(b"Subject: one\r\n two\r\n\tthree\r\n\r\n", [b"one two\tthree"], id="folded"),
        pytest.param(b"Subject : hello\r\n\r\n", [b"hello"], id="space before the colon"),
        pytest.param(b"Subject: a\r\nX: y\r\nSubject: b\r\n\r\n", [b"a", b"b"], id="twice"),
        pytest.param(b"X: y\r\nno field\r\nSubject: a\r\n\r\n", [b"a"], id="after a broken line"),
        pytest.param(
            b"X: y\r\n>From a\r\n>From b\r\nSubject: a\r\n\r\n", [b"a"], id="after mbox lines"
        ),
        pytest.param(b"X: y\r\nno\r\n field\r\nSubject: a\r\n\r\n", [b"a"], id="after two lines"),
        pytest.param(
            b"X: y\r\nSubject\r\n : a\r\nSubject: b\r\n\r\n", [b"a", b"b"], id="a folded name"
        ),
        pytest.param(b"no\r\nSubject\r\n : a\r\n\r\n", [], id="a folded name in the text"),
        pytest.param(
            b"X: y\r\nno\r\nSubject\r\n : a\r\n\r\n", [b"a"], id="a folded name after a broken line"
        ),
        pytest.param(b"X: y;\r\na=b;\r\nc=d\r\nSubject: a\r\n\r\n", [b"a"], id="after a bad fold"),
        pytest.param(b"From a Mon Jan 1\r\nSubject: a\r\n\r\n", [b"a"], id="after an mbox line"),
        pytest.param(b"X: y\r\n\r\nSubject: a\r\n", [], id="in the body"),
        pytest.param(b"\r\nSubject: a\r\n", [], id="an empty header"),
        pytest.param(b"Dear all\r\nSubject: a\r\n\r\n", [], id="no header"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_fields_are_found(content: bytes, values: list[bytes]) -> None:
    assert list(header.read(content).values("subject")) == values


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"A: b\r\n\r\nbody", b"body"),
        (b"A: b\n\nbody", b"body"),
        (b"\r\nbody", b"body"),
        (b"Dear all\r\n\r\nbody", b"Dear all\r\n\r\nbody"),
        (b"A: b\r\n", b""),
    ],
)
def test_the_body_begins_after_the_first_empty_line(content: bytes, body: bytes) -> None:
    assert content[header.read(content).body :] == body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Hello", id="one line"),
        pytest.param(b"Hello, you\r\n", id="one line that ends"),
        pytest.param(b"Hello\r\n\r\nmore", id="a paragraph"),
        pytest.param(b"Dear Ann: see you\r\n\r\nmore", id="words before a colon"),
        pytest.param(b"Dear Ann: see\r\nbelow\r\n\r\nmore", id="words before a colon, and more"),
        pytest.param(b"Hello\r\nyou\r\nTo: x\r\n\r\nmore", id="two lines before a field"),
        pytest.param(b"Hello\r\n you\r\nmore\r\n\r\nmore", id="an indented line"),
        pytest.param(b"--cut\r\nB: c\r\n\r\nmore", id="a boundary"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_text_without_an_empty_line_before_it_is_the_body(body: bytes, line_end: bytes) -> None:
    content = (b"A: b\r\nC: d\r\n e\r\n" + body).replace(b"\r\n", line_end)

    found = header.read(content)

    assert (dict(found.fields), content[found.body :]) == (
        {"a": [b"b"], "c": [b"d e"]},
        body.replace(b"\r\n", line_end),
    )


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_parameters_that_are_not_indented_belong_to_their_field(line_end: bytes) -> None:
    lines = (b"Type: a/b; c=d;", b"name=x;", b"e=f", b"To: y", b"", b"body")
    content = line_end.join(lines)

    found = header.read(content)

    assert (found.value("type"), found.value("to")) == (b"a/b; c=d; name=x; e=f", b"y")
    assert content[found.body :] == b"body"


def test_text_within_the_limit_makes_a_header_complete() -> None:
    content = b"X: y\r\nHello\r\n" + b"to you\r\n" * (header.LIMIT // 8)

    found = header.read(content)

    assert (found.complete, found.body) == (True, 6)


def test_a_field_that_the_limit_cuts_is_no_text() -> None:
    content = b"X: y\r\n" * (header.LIMIT // 6) + b"Received: from far away\r\n\r\nbody"

    found = header.read(content)

    assert (found.complete, content[found.body :]) == (False, b"body")


def test_a_header_beyond_the_limit_is_known_to_be_incomplete() -> None:
    long = b"X: y\r\n" * (header.LIMIT // 6 + 1)

    fields = header.read(long + b"From: a@b.example\r\n\r\nbody")

    assert not fields.complete
    assert not fields.values("from")


@given(st.binary())
def test_no_octets_at_all_make_reading_a_header_fail(content: bytes) -> None:
    fields = header.read(content)

    assert 0 <= fields.body <= len(content)
    for name in fields.fields:
        assert "\n" not in fields.text(name)
