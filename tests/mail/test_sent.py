from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aimx.mail import frontmatter
from aimx.mail.mime import File
from aimx.mail.sent import Outgoing, finish

SENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONTENT = (
    b"DKIM-Signature: v=1; d=example.com\r\nFrom: Info <info@example.com>\r\n"
    b"To: ada@orchard.example\r\nSubject: Ten crates\r\nDate: Fri, 2 Jan 2026 03:04:00 +0000\r\n"
    b"Message-ID: <answer@example.com>\r\nIn-Reply-To: <first@orchard.example>\r\n"
    b"References: <first@orchard.example>\r\n\r\n<p>wire form</p>\r\n"
)
OUTGOING = Outgoing(
    mailbox="info@example.com",
    content=CONTENT,
    source="Ten *crates*, please.\r\n",
    format="markdown",
    recipients=("ada@orchard.example",),
    sent_at=SENT,
    status="delivered",
)


def test_a_sent_copy_says_what_was_sent_and_what_became_of_it() -> None:
    outgoing = replace(
        OUTGOING,
        bcc=("b@b.example", "c@c.example"),
        delivered_at=SENT,
        details="ada@orchard.example: 250 2.0.0 Kept",
        files=(File("list.csv", "text/csv", b"a,1"),),
    )

    found = finish(outgoing)

    keys, body = frontmatter.split(b'+++\nid = "x"\n' + found.rest)
    assert list(keys.items()) == [
        ("id", "x"),
        ("message_id", "answer@example.com"),
        ("thread_id", keys["thread_id"]),
        ("from", "Info <info@example.com>"),
        ("to", "ada@orchard.example"),
        ("delivered_to", "ada@orchard.example"),
        ("envelope_from", "info@example.com"),
        ("subject", "Ten crates"),
        ("date", "2026-01-02T03:04:00Z"),
        ("size_bytes", len(CONTENT)),
        ("in_reply_to", "first@orchard.example"),
        ("references", "first@orchard.example"),
        ("dkim", "pass"),
        ("spf", "none"),
        ("dmarc", "none"),
        ("trusted", "none"),
        ("mailbox", "info@example.com"),
        ("read", False),
        ("outbound", True),
        ("outbound_format", "markdown"),
        ("delivery_status", "delivered"),
        ("bcc", "b@b.example, c@c.example"),
        ("delivered_at", "2026-01-02T03:04:05Z"),
        ("delivery_details", "ada@orchard.example: 250 2.0.0 Kept"),
        (
            "attachments",
            [{"filename": "list.csv", "content_type": "text/csv", "size": 3, "path": "list.csv"}],
        ),
    ]
    assert body == b"Ten *crates*, please.\n"
    assert found.base == "2026-01-02-030405-ten-crates"
    assert [file.name for file in found.attachments] == ["list.csv"]
    assert found.fingerprint is None


def test_what_did_not_happen_is_left_out() -> None:
    keys, _ = frontmatter.split(
        b'+++\nid = "x"\n' + finish(replace(OUTGOING, status="failed")).rest
    )

    assert keys["delivery_status"] == "failed"
    assert not {"bcc", "delivered_at", "delivery_details", "received_at", "attachments"} & set(keys)
