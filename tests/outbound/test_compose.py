import email.policy
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimx.mail.addresses import Correspondent
from aimx.outbound.body import Attachment
from aimx.outbound.compose import Composed, Format
from aimx.outbound.refusal import Code, SubmissionError

Compose = Callable[..., Composed]

START = b"From: info@a.example\r\nTo: bob@c.example\r\n"


def parsed(message: Composed) -> EmailMessage:
    found = email.message_from_bytes(message.wire, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def submission(text: str = "hi", *, attach: bytes | None = None, **fields: str) -> bytes:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = "info@a.example"
    made["To"] = "bob@c.example"
    for name, value in fields.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    if attach is not None:
        made.add_attachment(attach, maintype="text", subtype="csv", filename="dätä.csv")
    return made.as_bytes()


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    text = part.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def structure(message: EmailMessage) -> str:
    inner = [structure(part) for part in message.iter_parts()]
    return message.get_content_type() + (f"[{', '.join(inner)}]" if inner else "")


@pytest.mark.parametrize(
    ("html", "text_only", "attach", "shape"),
    [
        pytest.param(
            None, False, None, "multipart/alternative[text/plain, text/html]", id="markdown"
        ),
        pytest.param(None, True, None, "text/plain", id="text"),
        pytest.param(
            b"<p>x", False, None, "multipart/alternative[text/plain, text/html]", id="html"
        ),
        pytest.param(
            None,
            False,
            b"a,b",
            "multipart/mixed[multipart/alternative[text/plain, text/html], text/csv]",
            id="markdown-and-a-file",
        ),
        pytest.param(
            None, True, b"a,b", "multipart/mixed[text/plain, text/csv]", id="text-and-a-file"
        ),
    ],
)
def test_the_shape_follows_from_what_was_asked(
    composed: Compose, html: bytes | None, text_only: bool, attach: bytes | None, shape: str
) -> None:
    message = composed(submission(attach=attach), html=html, text_only=text_only)

    assert structure(parsed(message)) == shape


def test_the_source_is_the_text_and_its_rendering_the_html(composed: Compose) -> None:
    message = composed(START + b"\r\n# Hi\r\n\r\n*you*\r\n")

    assert content(parsed(message), "plain") == "# Hi\n\n*you*\n"
    assert "<em>you</em>" in content(parsed(message), "html")
    assert (message.format, message.source) == (Format.MARKDOWN, "# Hi\n\n*you*\n")


def test_a_supplied_html_is_not_touched(composed: Compose) -> None:
    html = "<p onclick='x'>é</p>\n<b>" + "w" * 2000 + "</b>\n"

    message = composed(START + b"\r\nhi", html=html.encode(), signature="-- a")

    assert content(parsed(message), "html") == html
    assert message.format is Format.HTML


def test_the_signature_follows_the_text_after_a_blank_line(composed: Compose) -> None:
    message = composed(START + b"\r\nhi\r\n\r\n\r\n", signature="Sent by **aimx**")

    assert content(parsed(message), "plain") == "hi\n\nSent by **aimx**\n"
    assert "<strong>aimx</strong>" in content(parsed(message), "html")
    assert message.source == "hi\n\n\n"


def test_an_attachment_arrives_as_it_left(composed: Compose) -> None:
    octets = bytes(range(256)) * 10

    message = composed(submission(attach=octets))

    (part,) = parsed(message).iter_attachments()
    assert isinstance(part, EmailMessage)
    assert part.get_filename() == "dätä.csv"
    assert part.get_payload(decode=True) == octets
    assert message.attachments == (Attachment("dätä.csv", "text/csv", octets),)


def test_a_type_keeps_its_parameters_and_a_message_becomes_a_file(composed: Compose) -> None:
    body = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nhi\r\n"
        b"--b\r\nContent-Type: text/calendar; method=REQUEST; name=x.ics\r\n\r\nBEGIN\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n"
        b"--b--\r\n"
    )

    message = composed(START + body)

    assert [(a.content_type, a.content) for a in message.attachments] == [
        ('text/calendar; method="REQUEST"', b"BEGIN"),
        ("application/octet-stream", b"Subject: x\r\n\r\ny"),
    ]
    assert message.source == "hi"


def test_the_heading_is_told(composed: Compose, now: datetime) -> None:
    heading = composed(
        submission(
            Cc='"B, C" <b@c.example>',
            Bcc="d@e.example",
            Subject="Grüße",
            In_Reply_To="<one@x>",
            References="<zero@x> <one@x>",
            Reply_To="r@a.example",
        )
    ).heading

    assert heading.author == Correspondent("", "info", "a.example")
    assert heading.to == (Correspondent("", "bob", "c.example"),)
    assert heading.cc == (Correspondent("B, C", "b", "c.example"),)
    assert heading.bcc == (Correspondent("", "d", "e.example"),)
    assert heading.reply_to == (Correspondent("", "r", "a.example"),)
    assert heading.subject == "Grüße"
    assert heading.in_reply_to == "one@x"
    assert heading.references == ("zero@x", "one@x")
    assert heading.message_id == "made@a.example"
    assert heading.date == now
    assert heading.recipients == ("bob@c.example", "b@c.example", "d@e.example")


def test_comments_beside_ids_are_kept_and_no_ids(composed: Compose) -> None:
    message = composed(submission(In_Reply_To="(not <b@x>) <a(1)@x>", References="<z@x><y@x> (it)"))

    assert message.heading.in_reply_to == "a(1)@x"
    assert message.heading.references == ("z@x", "y@x")
    assert b"References: <z@x><y@x> (it)\r\n" in message.wire


def test_an_answer_to_nothing_has_no_field_for_it(composed: Compose) -> None:
    found = parsed(composed(START + b"In-Reply-To:\r\nReferences: \r\n\r\n"))

    assert not {"In-Reply-To", "References"} & set(found.keys())


def test_an_id_and_a_date_are_kept_and_else_made(composed: Compose) -> None:
    given_both = composed(
        START + b"Message-ID: <a@b>\r\nDate: Sat, 03 Jan 2026 01:00:00 +0100\r\n\r\n"
    )
    given_none = composed(START + b"\r\n")

    assert given_both.heading.message_id == "a@b"
    assert given_both.heading.date == datetime(2026, 1, 3, tzinfo=UTC)
    assert parsed(given_both)["Date"] == "Sat, 03 Jan 2026 01:00:00 +0100"
    assert parsed(given_none)["Message-ID"] == "<made@a.example>"
    assert parsed(given_none)["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"


def test_a_recipient_who_is_named_twice_gets_it_once(composed: Compose) -> None:
    message = composed(START + b"Cc: Bob@c.example, eve@c.example\r\nBcc: eve@C.example\r\n\r\n")

    assert len(message.heading.recipients) == 2


def test_a_bare_author_is_completed_in_the_message(composed: Compose) -> None:
    message = composed(b"From: Ana <info>\r\nTo: b@c.example\r\n\r\nhi")

    assert parsed(message)["From"] == "Ana <info@a.example>"


@pytest.mark.parametrize(
    "header",
    [
        "Bcc: x@y.example",
        "bcc: x@y.example",
        "Resent-Bcc: x@y.example",
        "Return-Path: <x@y.example>",
        "DKIM-Signature: v=1; d=y.example",
        "Content-Language: y.example",
    ],
)
def test_what_is_not_for_others_is_not_in_the_message(composed: Compose, header: str) -> None:
    assert b"y.example" not in composed(START + header.encode() + b"\r\n\r\n").wire


def test_other_fields_are_kept(composed: Compose) -> None:
    message = composed(START + b"List-Id: <l.a.example>\r\n\r\n")

    assert parsed(message)["List-Id"] == "<l.a.example>"


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        pytest.param(b"\r\n", "no recipient in To", id="no-to"),
        pytest.param(b"To: bob\r\n\r\n", "To: an address has no @", id="bare-to"),
        pytest.param(b"To: b@c.example\r\nTo: d@c.example\r\n\r\n", "2 To headers", id="two-tos"),
        pytest.param(
            b"To: b@c.example\r\nSubject: a\r\nSubject: b\r\n\r\n", "2 Subject", id="two-subjects"
        ),
        pytest.param(
            b"To: b@c.example\r\nSender: boss@a.example\r\n\r\n", "Sender is not", id="sender"
        ),
        pytest.param(
            b"To: b@c.example\r\nMessage-ID: one two\r\n\r\n", "not one id", id="message-id"
        ),
        pytest.param(b"To: b@c.example\r\nDate: soon\r\n\r\n", "not a date", id="date"),
        pytest.param(
            "To: b@c.example\r\nReferences: (é) <a@x>\r\n\r\n".encode(), "outside ASCII", id="ids"
        ),
        *(
            pytest.param(
                f"To: b@c.example\r\n{name}: {ids}\r\n\r\n".encode(),
                f"{name} is not a list of message ids like <left@right> (RFC 5322 3.6.4):"
                " copy the ids as they stand in the message that is answered, or leave it out",
                id=f"{name}-{ids}",
            )
            for name in ("In-Reply-To", "References")
            for ids in (
                *("garbage id", "a@x", "<a>", "<a@>", "<@x>", "<a b@x>", "<é@x>", "<a@x", "(<a@x>"),
                *("<a@x> b", "<a@x>, <b@x>", "<a<b@x>", "<" * 50_000, "(" * 50_000, "<@" * 20_000),
            )
        ),
        pytest.param(
            b"To: " + b", ".join(b"a%d@c.example" % n for n in range(101)) + b"\r\n\r\n",
            "more than 100 recipients",
            id="many-recipients",
        ),
        pytest.param(
            b"To: b@c.example\r\nContent-Type: text/html\r\n\r\n",
            "the text is text/html",
            id="html",
        ),
        pytest.param(
            b"To: b@c.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nhi",
            "without parts",
            id="no-parts",
        ),
        pytest.param(b"To: b@c.example\r\n\r\n\xff", "not utf_8", id="text-not-utf-8"),
        pytest.param(
            b"To: b@c.example\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsb",
            "base64 ends early",
            id="broken-base64",
        ),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused(composed: Compose, rest: bytes, text: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        composed(b"From: info@a.example\r\n" + rest)

    assert caught.value.code is Code.MALFORMED
    assert text in str(caught.value)


def test_markdown_over_five_mebibytes_is_too_large_to_render(composed: Compose) -> None:
    large = START + b"\r\n" + b"word " * (1024 * 1024 + 1)

    with pytest.raises(SubmissionError) as caught:
        composed(large)

    assert caught.value.code is Code.BODY_TOO_LARGE
    assert str(caught.value) == (
        "markdown body exceeds 5 MiB; use --html-body for pre-rendered large documents or"
        " --attachment for sending the document as a file"
    )
    assert len(composed(large, text_only=True).wire) > 5 * 1024 * 1024


def test_a_latin_1_text_is_sent_as_utf_8(composed: Compose) -> None:
    message = composed(START + b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe9")

    assert content(parsed(message), "plain") == "é\n"


header_texts = st.text(max_size=60)


@pytest.mark.parametrize(
    ("header", "is_international"),
    [
        ("To: Jürgen <bob@b.example>\nSubject: Grüße", False),
        ("To: bob@bücher.example", False),
        ("To: bob@b.example\nBcc: jürgen@b.example", False),
        ("To: jürgen@b.example", True),
        ("To: bob@b.example\nReply-To: jürgen@b.example", True),
    ],
    ids=["text", "domain", "blind-copy", "recipient", "answers-to"],
)
def test_smtputf8_is_needed_for_local_parts_that_are_shown_and_for_nothing_else(
    composed: Callable[..., Composed], header: str, is_international: bool
) -> None:
    made = composed(f"From: info\n{header}\n\nhi\n".encode())

    assert made.heading.is_international is is_international
    assert made.wire.isascii() is not is_international


@settings(max_examples=60)
@given(subject=header_texts, name=header_texts, extra=header_texts)
def test_no_text_in_a_header_makes_another_header(
    composed: Compose, subject: str, name: str, extra: str
) -> None:
    raw = (
        START
        + f"Subject: {subject}\r\nReply-To: {name} <a@a.example>\r\nX-A: {extra}\r\n\r\nhi".encode(
            errors="replace"
        )
    )
    try:
        message = composed(raw, text_only=True)
    except SubmissionError:
        return

    names = [
        line.partition(b":")[0]
        for line in message.wire.partition(b"\r\n\r\n")[0].split(b"\r\n")
        if line[:1] not in (b" ", b"\t")
    ]
    assert sorted(names) == sorted(
        [
            *(b"From", b"To", b"Subject", b"Reply-To", b"X-A", b"Date", b"Message-ID"),
            *(b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"),
        ]
    )


@settings(max_examples=60)
@given(text=st.text(max_size=400), text_only=st.booleans())
def test_any_text_is_sent_in_short_lines_of_ascii_that_end_in_crlf(
    composed: Compose, text: str, text_only: bool
) -> None:
    message = composed(START + b"\r\n" + text.encode(errors="replace"), text_only=text_only)

    assert message.wire.isascii()
    assert message.wire.count(b"\r\n") == message.wire.count(b"\r") == message.wire.count(b"\n")
    assert max(map(len, message.wire.split(b"\r\n"))) <= 998
    assert message.wire.endswith(b"\r\n")
    assert content(parsed(message), "plain").rstrip("\n") == message.source.rstrip("\n")


@settings(max_examples=40)
@given(local=st.from_regex(r"[a-z]{12,20}", fullmatch=True), text_only=st.booleans())
def test_a_blind_copy_is_never_in_the_message(
    composed: Compose, local: str, text_only: bool
) -> None:
    message = composed(
        START + f"Bcc: Ann <{local}@c.example>\r\n\r\nhi".encode(), text_only=text_only
    )

    assert f"{local}@c.example" in message.heading.recipients
    assert local.encode() not in message.wire


@pytest.mark.parametrize("length", [998, 999, 5000])
def test_no_line_is_longer_than_a_relay_must_take(composed: Compose, length: int) -> None:
    text = "x" * length

    found = composed(submission(text), text_only=True)

    assert max(map(len, found.wire.split(b"\r\n"))) <= 998
    assert content(parsed(found), "plain") == text + "\n"


def test_a_file_beyond_ascii_is_named_as_rfc_2231_has_it(composed: Compose) -> None:
    found = composed(submission(attach=b"a,1"))

    assert b"filename*=utf-8''d%C3%A4t%C3%A4.csv\r\n" in found.wire


def test_a_file_is_named_by_the_last_part_of_its_path_alone(composed: Compose) -> None:
    path = submission(attach=b"a,1").replace(b"d%C3%A4t%C3%A4.csv", b"..%2Fa%E2%80%AEb.csv")

    found = composed(path)

    assert [file.name for file in found.attachments] == ["a_b.csv"]
