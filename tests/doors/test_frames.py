import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.doors.socket import client, frames
from aimx.doors.socket.frames import Code, FrameError, Request


def test_a_send_frame_says_how_many_bytes_follow() -> None:
    request = frames.parse([b"AIMX/1 SEND", b"Content-Length: 12", b"HTML-Body-Length:3"])

    assert request == Request(
        "SEND", {"content-length": "12", "html-body-length": "3"}, content_length=12, html_length=3
    )
    assert request.body_length == 15


def test_a_carriage_return_at_a_line_end_is_tolerated() -> None:
    assert frames.parse([b"AIMX/1 VERSION\r"]).verb == "VERSION"


def test_a_header_that_no_verb_knows_is_ignored() -> None:
    assert frames.parse([b"AIMX/1 PLAN", b"Colour: mauve"]).headers == {}


@pytest.mark.parametrize(
    ("lines", "code", "text"),
    [
        pytest.param([b"AIMX/1 FROB"], Code.PROTOCOL, "unknown verb 'FROB'", id="unknown-verb"),
        pytest.param(
            [b"aimx/1 SEND"],
            Code.MALFORMED,
            "malformed request: expected 'AIMX/1 <VERB>'",
            id="prefix-in-another-case",
        ),
        pytest.param(
            [b"AIMX/1 SEND"],
            Code.MALFORMED,
            "malformed request: missing header 'content-length'",
            id="missing-header",
        ),
        pytest.param(
            [b"AIMX/1 SEND", b"Content-Length: 1", b"content-length: 1"],
            Code.MALFORMED,
            "malformed request: repeated header 'content-length'",
            id="repeated-header",
        ),
        pytest.param(
            [b"AIMX/1 SEND", b"Content-Length:"],
            Code.MALFORMED,
            "malformed request: empty header 'content-length'",
            id="empty-header",
        ),
        pytest.param(
            [b"AIMX/1 SEND", b"Content-Length: -1"],
            Code.MALFORMED,
            "malformed request: content-length must be a number",
            id="negative-length",
        ),
        pytest.param(
            [b"AIMX/1 SEND", b"Content-Length: 26214401"],
            Code.MALFORMED,
            "malformed request: content-length is over 26214400 bytes",
            id="too-long",
        ),
        pytest.param(
            [b"AIMX/1 VERSION", b"Content-Length: 0"],
            Code.MALFORMED,
            "malformed request: VERSION takes no headers",
            id="bare-verb-with-a-header",
        ),
        pytest.param(
            [b"AIMX/1 PLAN", b"Content-Length: 5"],
            Code.MALFORMED,
            "malformed request: PLAN takes no body",
            id="body-where-none-belongs",
        ),
        pytest.param(
            [b"AIMX/1 SEND", b"no colon"],
            Code.MALFORMED,
            "malformed request: a header line has the form 'Name: value'",
            id="no-colon",
        ),
        pytest.param(
            [b"AIMX/1 \xff"],
            Code.MALFORMED,
            "malformed request: a line is not UTF-8",
            id="not-utf-8",
        ),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused(lines: list[bytes], code: Code, text: str) -> None:
    with pytest.raises(FrameError) as caught:
        frames.parse(lines)

    assert (caught.value.code, str(caught.value)) == (code, text)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_bytes_make_the_parser_raise_anything_but_its_own_error(lines: list[bytes]) -> None:
    with contextlib.suppress(FrameError):
        frames.parse([b"AIMX/1 SEND", *lines])


@given(st.text())
def test_no_reason_can_add_a_line_to_a_refusal(reason: str) -> None:
    head, code, rest = frames.error(Code.DOMAIN, reason).decode().split("\n", 2)

    assert head.startswith("AIMX/1 ERR DOMAIN ")
    assert code == "Code: DOMAIN"
    assert rest == "\n"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_document_survives_the_way_to_the_client(document: object) -> None:
    expected = json.loads(json.dumps(document))

    assert client.parse(frames.ok_json(document)) == client.Ok("", expected)


def test_a_message_id_survives_the_way_to_the_client() -> None:
    assert client.parse(frames.ok("<a@b.example>")) == client.Ok("<a@b.example>")


def test_a_refusal_survives_the_way_to_the_client() -> None:
    assert client.parse(frames.error(Code.TEMP, "later please")) == client.Err(
        "TEMP", "later please"
    )
