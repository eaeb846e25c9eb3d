"""What `aimx send` makes of what it was given, as the outbound side reads it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.doors.draft import MOST, Draft, DraftError, message
from aimx.doors.socket.frames import MAX_BODY
from aimx.outbound.body import Body, body
from aimx.outbound.heading import heading
from aimx.outbound.refusal import SubmissionError
from aimx.outbound.submission import read

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AS_GIVEN = {
    "From": "a@example.com",
    "To": "b@example.net",
    "Subject": "hello",
    "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
    "Message-ID": "<id@example.com>",
}


def draft(**given: object) -> bytes:
    usual = {"author": "a@example.com", "to": "b@example.net", "subject": "hello", "body": "text"}
    return message(Draft(**{**usual, **given}), "<id@example.com>", NOW)


def header(made: bytes) -> dict[str, str]:
    fields = [(each.name, each.value) for each in read(made).fields]
    assert len(dict(fields)) == len(fields)
    return {name: value for name, value in fields if not name.startswith("Content-")}


def test_a_draft_is_what_was_given():
    made = draft(cc="c@example.net", bcc="d@example.net", in_reply_to="x@y", body="a\r\n.\r\nb")

    assert header(made) == {
        **AS_GIVEN,
        "Cc": "c@example.net",
        "Bcc": "d@example.net",
        "In-Reply-To": "<x@y>",
        "References": "<x@y>",
    }
    assert body(read(made)) == Body("a\n.\nb\n")


@pytest.mark.parametrize(
    ("references", "chain"),
    [
        pytest.param("w@y  <v@y> x@y", "<w@y> <v@y> <x@y>", id="as-stored-mail-has-it"),
        pytest.param("<w@y> <v@y>", "<w@y> <v@y> <x@y>", id="of-the-message-that-is-answered"),
        pytest.param("", "<x@y>", id="none"),
    ],
)
def test_the_chain_ends_in_the_message_that_is_answered(references, chain):
    made = header(draft(in_reply_to="x@y", references=references))

    assert (made["In-Reply-To"], made["References"]) == ("<x@y>", chain)


def test_a_chain_alone_is_sent_as_it_is():
    made = header(draft(references="<w@y> <v@y>"))

    assert "In-Reply-To" not in made
    assert made["References"] == "<w@y> <v@y>"


@pytest.mark.parametrize("text", ["garbage id", "garbage", "x@y z@y trailing", "<x@y", "<>"])
@pytest.mark.parametrize("name", ["in_reply_to", "references"])
def test_what_is_no_message_id_is_refused_as_what_is_answered(name, text):
    submission = read(draft(**{"in_reply_to": "x@y", name: text}))

    with pytest.raises(SubmissionError, match=r"is not a list of message ids like <left@right>"):
        heading(submission, domains=["example.com"], now=NOW, message_id=lambda _: "id@example.com")


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?a=0d=0aBcc:_spy@example.net?=",
        "=?utf-8?b?YQ0KQmNjOiBzcHlAZXhhbXBsZS5uZXQ=?=",
        "Re: =?us-ascii?q?=0aBcc:_spy@example.net?= =?utf-8?q?=0d?=",
    ],
)
def test_an_encoded_word_adds_no_recipient(subject):
    assert header(draft(subject=subject)) == {**AS_GIVEN, "Subject": subject}


@pytest.mark.parametrize("name", ["author", "to", "cc", "bcc", "subject", "in_reply_to"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"], ids=repr)
def test_a_line_end_in_a_header_is_refused(name, end):
    with pytest.raises(DraftError, match="Possible header injection"):
        draft(**{name: f"a@example.com{end}Bcc: spy@example.net"})


@pytest.mark.parametrize("name", ["author", "to", "subject", "body"])
def test_what_is_no_text_is_refused(name):
    with pytest.raises(DraftError, match="not UTF-8"):
        draft(**{name: "a\udcff"})


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("notes.txt", "notes.txt"),
        ("a\nX: y.txt", "a_X: y.txt"),
        ('a"; x="y.txt', 'a"; x="y.txt'),
        ("grüße.txt", "grüße.txt"),
        ("\udcff.txt", "txt"),
        ("=?utf-8?q?a=0d=0aX:_y.txt?=", "a X: y.txt"),
    ],
)
def test_a_file_is_sent_whatever_it_is_called(tmp_path: Path, name: str, sent: str):
    file = tmp_path / name
    file.write_bytes(b"\r\ncontent\0")

    (attachment,) = body(read(draft(attachments=[file]))).attachments

    assert (attachment.name, attachment.content) == (sent, b"\r\ncontent\0")


def test_what_is_no_file_is_named(tmp_path: Path):
    for path, why in ((tmp_path, "is not a file"), (tmp_path / "none", "not found")):
        with pytest.raises(DraftError, match=why):
            draft(attachments=[path])


texts = st.text() | st.text(" \t\r\n:=?_a\0\x85\u2028")


@given(texts, texts, texts)
def test_no_text_makes_a_header_that_was_not_given(subject: str, to: str, bcc: str) -> None:
    try:
        found = header(draft(subject=subject, to=to, bcc=bcc))
    except (DraftError, SubmissionError):
        return

    assert found.keys() <= {*AS_GIVEN, "Bcc"}


@pytest.mark.timeout(20)
def test_of_a_file_without_end_no_more_is_read_than_could_be_sent(tmp_path: Path):
    sparse = tmp_path / "sparse.img"
    with sparse.open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(DraftError, match=r"sparse\.img the attachments have more than"):
        draft(attachments=[sparse])


def test_all_attachments_together_have_room_for_one_message(tmp_path: Path):
    half = tmp_path / "half"
    half.write_bytes(bytes(MOST // 2))
    rest = tmp_path / "rest"
    rest.write_bytes(bytes(MOST // 2 + 1))

    assert len(draft(attachments=[half, half])) > MAX_BODY  # Which the daemon tells.
    with pytest.raises(DraftError, match="rest the attachments have more than"):
        draft(attachments=[half, rest])
