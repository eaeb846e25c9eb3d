import email
import email.policy
from dataclasses import replace

import pytest

from aimx.outbound.queue.aftercare.bounce import Undelivered, bounce
from aimx.outbound.queue.recipient import Recipient
from aimx.outbound.queue.rows import Message
from aimx.outbound.queue.states import Halt, State

FAILED = Recipient(
    0,
    "bob@c.example",
    "c.example",
    State.FAILED,
    due=0,
    changed=1767323045,
    attempts=1,
    told="mx.c.example: 550 5.1.1 No such user",
    bounce=True,
)
MESSAGE = Message(
    id="1f2e",
    author="info@a.example",
    message_id="x@a.example",
    subject="Hello",
    size=5,
    international=False,
    queued=1767322000,
    halt=Halt.NOT,
    origin=b"",
    stem="",
    closed=None,
    recipients=(FAILED,),
)
HEADER = b"From: info@a.example\r\nTo: bob@c.example\r\nSubject: Hello"


def read(undelivered: Undelivered) -> email.message.EmailMessage:
    raw = bounce(undelivered, "mail.a.example")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    return email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[return-value]


def test_a_bounce_is_a_report_that_names_message_and_recipient():
    found = read(Undelivered(MESSAGE, (FAILED,), HEADER))

    text, report, header = found.iter_parts()
    assert found["From"] == "Mail Delivery System <MAILER-DAEMON@mail.a.example>"
    assert found["To"] == "info@a.example"
    assert found["Subject"] == "Undelivered: Hello"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["In-Reply-To"] == "<x@a.example>"
    assert found.get_content_type() == "multipart/report"
    assert found.get_param("report-type") == "delivery-status"
    assert "* bob@c.example: mx.c.example: 550 5.1.1 No such user" in text.get_content()
    whole, one = report.get_payload()
    assert whole["Reporting-MTA"] == "dns; mail.a.example"
    assert dict(one.items()) == {
        "Final-Recipient": "rfc822; bob@c.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": "Fri, 02 Jan 2026 03:04:05 +0000",
    }
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Subject: Hello" in header.get_content()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        pytest.param("mx: 554 Spam", "5.0.0", id="no-enhanced-code"),
        pytest.param("mx: it is not there", "5.0.0", id="no-code-at-all"),
        pytest.param("domain c.example does not exist (5.1.2)", "5.1.2", id="no-host"),
        pytest.param("domain c.example takes no mail (null MX, 5.1.10)", "5.1.10", id="null-mx"),
        pytest.param("mx: it takes no such address (SMTPUTF8, 5.6.7)", "5.6.7", id="smtputf8"),
        pytest.param("gave up after 2 days: mx: 450 4.2.0 Later", "4.4.7", id="expired"),
        pytest.param("a: 451 4.3.0 x; b: 550 5.7.1 y", "5.7.1", id="the-last-host"),
    ],
)
def test_the_status_is_what_the_host_said_last(told, status):
    failed = replace(FAILED, told=told)

    _, report, _ = read(Undelivered(MESSAGE, (failed,), HEADER)).iter_parts()

    assert report.get_payload()[1]["Status"] == status


def test_made_again_it_is_the_same_message_and_of_others_it_is_another():
    undelivered = Undelivered(MESSAGE, (FAILED,), HEADER)
    other = replace(undelivered, recipients=(replace(FAILED, address="eve@c.example"),))

    assert bounce(undelivered, "m") == bounce(undelivered, "m")
    assert read(undelivered)["Message-ID"] != read(other)["Message-ID"]


def test_addresses_outside_ascii_are_reported_in_their_own_form():
    message = replace(MESSAGE, international=True, subject="Grüße")
    failed = replace(FAILED, address="böb@c.example")

    raw = bounce(Undelivered(message, (failed,), "To: böb@c.example".encode()), "m.example")

    assert b"Content-Type: message/global-delivery-status" in raw
    assert "Final-Recipient: utf-8; böb@c.example".encode() in raw
    assert b"Content-Type: message/global-headers" in raw
    assert b"Subject: =?utf-8?B?" in raw


def test_a_blind_copy_outside_ascii_is_reported_in_its_own_form_in_a_plain_message():
    failed = (replace(FAILED, address="böb@c.example"), replace(FAILED, address="a@c.example"))

    raw = bounce(Undelivered(MESSAGE, failed, HEADER), "m.example")

    assert b"Content-Type: message/global-delivery-status" in raw
    assert "Final-Recipient: utf-8; böb@c.example".encode() in raw
    assert b"Final-Recipient: rfc822; a@c.example" in raw
    assert b"Content-Type: text/rfc822-headers" in raw


def test_what_a_host_said_cannot_add_a_field_or_end_a_part():
    failed = replace(FAILED, told="mx: 550 5.1.1 x\r\nX-Evil: 1\r\n\r\n--y")

    found = read(Undelivered(replace(MESSAGE, subject="a\r\nX-Evil: 1"), (failed,), HEADER))

    _, report, _ = found.iter_parts()
    assert found["X-Evil"] is None
    assert all(part["X-Evil"] is None for part in report.get_payload())


def test_a_bounce_without_the_header_is_one_all_the_same():
    found = read(Undelivered(MESSAGE, (FAILED,), b""))

    assert len(list(found.iter_parts())) == 2
