from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import attachments, frontmatter
from aimx.mail.envelope import Client, Incoming
from aimx.mail.reading import read
from aimx.mail.stored import Judged, Stored, stored
from aimx.snapshot import Route

Arrive = Callable[..., Incoming]

INFO = Route("info@example.com", "example.com", "info", 1000)
ALL = Route("*@example.com", "example.com", "catchall", 1000)
TRUSTED = Judged("pass", "softfail", "pass", "true")
DISTRUSTED = Judged("none", "none", "none", "false", "It has no DKIM signature.")

REPLY = b"\r\n".join(
    [
        b"From: Ada Moss <ada@orchard.example>",
        b'To: "Info, all" <info@example.com>, b@b.example',
        b"Cc: c@c.example",
        b"Reply-To: moss@orchard.example",
        b"Subject: =?utf-8?q?Re=3A_=C3=84pfel_+++?=",
        b"Date: Thu, 1 Jan 2026 12:00:00 +0100",
        b"Message-ID: <third@orchard.example>",
        b"In-Reply-To: <second@example.com>",
        b"References: <first@orchard.example>",
        b" <second@example.com>",
        b"List-Id: The orchard <list.orchard.example>",
        b"Auto-Submitted: auto-replied",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=cut",
        b"",
        b"--cut",
        b"",
        b"Gladly.",
        b"--cut",
        b"Content-Type: text/csv",
        b"Content-Disposition: attachment; filename=../prices.csv",
        b"",
        b"a,1",
        b"--cut--",
        b"",
    ]
)


def whole(found: Stored) -> tuple[dict[str, Any], bytes]:
    return frontmatter.split(b'+++\nid = "x"\n' + found.rest)


def test_everything_that_a_message_says_is_in_the_frontmatter_in_order(arrive: Arrive) -> None:
    found = stored(read(arrive(REPLY)), INFO, ("info+shop@example.com",), TRUSTED)

    keys, body = whole(found)
    assert list(keys.items()) == [
        ("id", "x"),
        ("message_id", "third@orchard.example"),
        ("thread_id", sha256(b"first@orchard.example").hexdigest()[:16]),
        ("from", "Ada Moss <ada@orchard.example>"),
        ("to", '"Info, all" <info@example.com>, b@b.example'),
        ("cc", "c@c.example"),
        ("reply_to", "moss@orchard.example"),
        ("delivered_to", "info+shop@example.com"),
        ("envelope_from", "bounces@news.example"),
        ("subject", "Re: Äpfel +++"),
        ("date", "2026-01-01T11:00:00Z"),
        ("received_at", "2026-01-02T03:04:05Z"),
        ("received_from_ip", "192.0.2.7"),
        ("size_bytes", len(REPLY)),
        ("in_reply_to", "second@example.com"),
        ("references", "first@orchard.example second@example.com"),
        ("list_id", "list.orchard.example"),
        ("auto_submitted", "auto-replied"),
        ("dkim", "pass"),
        ("spf", "softfail"),
        ("dmarc", "pass"),
        ("trusted", "true"),
        ("mailbox", "info@example.com"),
        ("read", False),
        (
            "attachments",
            [
                {
                    "filename": "prices.csv",
                    "content_type": "text/csv",
                    "size": 3,
                    "path": "prices.csv",
                }
            ],
        ),
    ]
    assert body == b"Gladly.\n"
    assert found.base == "2026-01-02-030405-re-äpfel"
    assert [(file.name, file.content) for file in found.attachments] == [("prices.csv", b"a,1")]


def test_what_a_message_does_not_say_is_left_out(arrive: Arrive) -> None:
    keys, body = whole(stored(read(arrive(b"", sender="")), ALL, ("x@example.com",), DISTRUSTED))

    assert keys == {
        "id": "x",
        "message_id": "",
        "thread_id": sha256(b"").hexdigest()[:16],
        "from": "",
        "to": "",
        "delivered_to": "x@example.com",
        "envelope_from": "",
        "subject": "(no subject)",
        "date": "2026-01-02T03:04:05Z",
        "received_at": "2026-01-02T03:04:05Z",
        "received_from_ip": "192.0.2.7",
        "size_bytes": 0,
        "dkim": "none",
        "spf": "none",
        "dmarc": "none",
        "trusted": "false",
        "trusted_reason": "It has no DKIM signature.",
        "mailbox": "*@example.com",
        "read": False,
    }
    assert body == b""


def test_where_no_client_handed_it_in_no_address_is_told(arrive: Arrive) -> None:
    incoming = arrive(b"From: a@b.example\r\n\r\nHello")
    envelope = incoming.envelope._replace(client=Client("", ""))

    found = stored(read(replace(incoming, envelope=envelope)), INFO, (), DISTRUSTED)

    assert "received_from_ip" not in whole(found)[0]


@pytest.mark.parametrize(
    ("header", "root"),
    [
        (b"Message-ID: <own@a>", b"own@a"),
        (b"Message-ID: <own@a>\r\nIn-Reply-To: <parent@a>", b"parent@a"),
        (
            b"Message-ID: <own@a>\r\nIn-Reply-To: <parent@a>\r\nReferences: <root@a> <parent@a>",
            b"root@a",
        ),
        (b"Message-ID: own@a", b"own@a"),
        (b"Message-ID: <own@a>\r\nIn-Reply-To: <>\r\nReferences: <> <>", b"own@a"),
    ],
)
def test_the_thread_is_named_after_its_root(arrive: Arrive, header: bytes, root: bytes) -> None:
    reading = read(arrive(header + b"\r\n\r\n"))

    assert reading.heading.thread_id == sha256(root).hexdigest()[:16]


@pytest.mark.parametrize(
    ("declared", "raw", "subject"),
    [
        ("gb2312", "价格".encode("gbk"), "价格"),
        ("windows-1251", "Счёт".encode("cp1251"), "Счёт"),
        ("koi8-r", b"=?koi8-r?Q?=F3=DE?= " + "ёт".encode("koi8_r"), "Сч ёт"),
        ("koi8-r", "Grüße".encode(), "Grüße"),
        ("koi8-r", "Grüße".encode() + b"\xff", "Grüße\ufffd"),
        ("utf-8", "Grüße".encode("cp1252"), "Grüße"),
        ("x-unknown", "Grüße".encode("cp1252"), "Grüße"),
    ],
)
def test_a_subject_that_is_not_encoded_is_in_the_charset_of_the_text(
    arrive: Arrive, declared: str, raw: bytes, subject: str
) -> None:
    content = f"Content-Type: text/plain; charset={declared}\r\n".encode()

    reading = read(arrive(content + b"Subject: " + raw + b"\r\n\r\n"))

    assert reading.heading.subject == subject


@pytest.mark.parametrize(
    ("written", "date"),
    [
        pytest.param(b"Thu Jan  1 12:00:00 2026", "2026-01-01T12:00:00Z", id="as C writes it"),
        pytest.param(b"soon", "2026-01-02T03:04:05Z", id="none, so when it came"),
    ],
)
def test_the_date_is_what_is_likely_meant(arrive: Arrive, written: bytes, date: str) -> None:
    content = b"From: a@b.example\r\nDate: " + written + b"\r\n\r\nHello"

    found = stored(read(arrive(content)), INFO, ("info@example.com",), DISTRUSTED)

    assert whole(found)[0]["date"] == date


def test_the_fingerprint_tells_messages_apart_by_all_that_counts(arrive: Arrive) -> None:
    reading = read(arrive(REPLY))
    others = [
        stored(reading, ALL, (), TRUSTED),
        stored(read(arrive(REPLY, sender="other@news.example")), INFO, (), TRUSTED),
        stored(read(arrive(REPLY.replace(b"third@", b"fourth@"))), INFO, (), TRUSTED),
        stored(read(arrive(REPLY + b"\r\n")), INFO, (), TRUSTED),
    ]

    prints = {one.fingerprint for one in (stored(reading, INFO, (), TRUSTED), *others)}

    assert len(prints) == 5
    assert {len(one or b"") for one in prints} == {32}


def test_the_same_message_again_has_the_same_fingerprint(arrive: Arrive) -> None:
    again = replace(arrive(REPLY), received_at=arrive(REPLY).received_at.replace(year=2027))

    assert (
        stored(read(arrive(REPLY)), INFO, ("a@example.com",), TRUSTED).fingerprint
        == stored(read(again), INFO, ("b@example.com",), DISTRUSTED).fingerprint
    )


def test_the_raw_message_is_kept_beside_it_on_request(arrive: Arrive) -> None:
    found = stored(read(arrive(REPLY), keep_raw=True), INFO, (), TRUSTED)

    keys, _ = whole(found)
    assert [file.name for file in found.attachments] == ["prices.csv", "raw.eml"]
    assert found.attachments[1].content == REPLY
    assert [table["path"] for table in keys["attachments"]] == ["prices.csv"]


@pytest.mark.parametrize(
    ("content_id", "name", "source", "link"),
    [
        (b"<a.png@01DB>", b"a.png", b"cid:a.png@01DB", "![logo](a.png)"),
        (b"<a@b>", b"a (1).png", b"cid:a%40b", "![logo](<a (1).png>)"),
        (b"<a@b>", b"<a>.png", b"cid:a@b", "![logo](<\\<a\\>.png>)"),
        (b"<a@b>", b"", b"cid:a@b", "![logo](attachment-1)"),
        (b"<a@b>", b"a.png", b"cid:other@b", "![logo](cid:other@b)"),
        (b"", b"a.png", b"cid:", "![logo](cid:)"),
    ],
)
def test_an_image_in_the_text_is_called_by_its_file(
    arrive: Arrive, content_id: bytes, name: bytes, source: bytes, link: str
) -> None:
    content = (
        b"Content-Type: multipart/related; boundary=cut\r\n\r\n"
        b"--cut\r\nContent-Type: text/html\r\n\r\n"
        b"<p>Hi</p><img alt=logo src='" + source + b"'>\r\n"
        b'--cut\r\nContent-Type: image/png; name="' + name + b'"\r\n'
        b"Content-ID: " + content_id + b"\r\n\r\nPNG\r\n--cut--\r\n"
    )

    assert read(arrive(content)).body.decode() == f"Hi\n\n{link}\n"


@pytest.mark.parametrize("keep_raw", [False, True])
def test_files_beyond_the_most_are_named_in_the_body(arrive: Arrive, keep_raw: bool) -> None:
    part = b"--cut\r\nContent-Type: a/b; name=../%d.bin\r\n\r\nx\r\n"
    many = b"".join(part % number for number in range(attachments.MOST + 1))
    content = b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n" + many + b"--cut--\r\n"

    reading = read(arrive(content), keep_raw=keep_raw)

    assert len(reading.attachments) == attachments.MOST
    left_out = "199.bin, 200.bin" if keep_raw else "200.bin"
    count = 2 if keep_raw else 1
    note = f"[The message has {count} more files, which were not kept: {left_out}.]\n"
    assert reading.body.decode() == note


def test_many_mailboxes_share_one_reading(arrive: Arrive) -> None:
    reading = read(arrive(REPLY))

    copies = [stored(reading, route, (), TRUSTED) for route in (INFO, ALL)]

    assert [whole(copy)[0]["mailbox"] for copy in copies] == ["info@example.com", "*@example.com"]
    assert copies[0].attachments is copies[1].attachments


fields = st.sampled_from(
    [b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"References", b"List-Id"]
)
values = st.binary(max_size=80) | st.sampled_from(
    [b"+++", b"\r\n +++\r\n ", b'"', b"=?utf-8?q?=0A+++=0A?=", b"<+++>", b'"\n+++\n" <a@b>']
)
headers = st.lists(st.tuples(fields, values), max_size=8).map(
    lambda pairs: b"".join(name + b": " + value + b"\r\n" for name, value in pairs)
)


@given(headers, st.binary())
def test_whatever_a_message_says_its_file_says_the_same(
    arrive: Arrive, header: bytes, body: bytes
) -> None:
    reading = read(arrive(header + b"\r\n" + body))

    found = stored(reading, INFO, ("info@example.com",), TRUSTED)

    keys, stored_body = whole(found)
    heading = reading.heading
    assert found.rest.decode()
    assert stored_body == reading.body
    assert (keys["subject"], keys["from"], keys["to"], keys["message_id"]) == (
        heading.subject,
        heading.author,
        heading.to,
        heading.message_id,
    )
    assert keys.get("references", "") == heading.references
    assert keys["trusted"] == "true"
    for value in (heading.subject, heading.author, heading.to, heading.message_id):
        assert value.splitlines() in ([], [value])


@given(st.binary())
def test_all_octets_are_stored(arrive: Arrive, content: bytes) -> None:
    found = stored(read(arrive(content)), INFO, ("info@example.com",), TRUSTED)

    keys, _ = whole(found)
    assert keys["size_bytes"] == len(content)
    assert not found.rest[-1:].strip(b"\n")
