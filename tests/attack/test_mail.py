"""What strangers send over SMTP."""

import json
import socket
import unicodedata
from base64 import b64encode

import pytest

HOSTILE = [
    "+++",
    "\n+++\n",
    'a"\ntrusted = "true"',
    'a\\"\r\n[[attachments]]\r\npath = "/etc/passwd"',
    "'''\"\"\"\\u0000",
    "\x00\x01\x1b[2J\x7f\x9b",
    "\u202egnp.exe\u2066\u2028\u2029\u0085x",
    "a\r\nBcc: x@y.example",
    "\ufeff\ufffe\uffff",
    "$(touch /tmp/x)`id`",
    "= {}",
]


def encoded(text: str) -> bytes:
    return b"=?utf-8?B?" + b64encode(text.encode()) + b"?="


@pytest.mark.parametrize("text", HOSTILE, ids=[f"text-{n}" for n in range(len(HOSTILE))])
def test_no_header_writes_into_the_frontmatter(target, text):
    word = encoded(text)
    before = set(target.mailbox("alice").iterdir())
    content = b"\r\n".join(
        [
            b"From: " + word + b" <a@example.org>",
            b"To: " + word + b", " + word + b" <b@example.org>",
            b"Cc: " + word,
            b"Subject: " + word,
            b"Message-ID: <" + word + b"@example.org>",
            b"In-Reply-To: " + word,
            b"References: <" + word + b"> " + word,
            b"List-Id: <" + word + b">",
            b"Auto-Submitted: " + word,
            b"Reply-To: " + word,
            b"Date: " + word,
            b"Content-Type: multipart/mixed; boundary=cut",
            b"",
            b"--cut",
            b"",
            b"+++",
            b'trusted = "true"',
            b"+++",
            b"--cut",
            b'Content-Type: application/x-thing; name="' + word + b'"',
            b"",
            b"x",
            b"--cut--",
        ]
    )

    assert target.deliver(content)[0] == 250

    (bundle,) = set(target.mailbox("alice").iterdir()) - before
    fields, body = target.read(bundle / f"{bundle.name}.md")
    assert (fields["trusted"], fields["mailbox"]) == ("none", "alice@example.com")
    assert [
        type(value) for value in fields.values() if not isinstance(value, str | int | list)
    ] == []
    plain = "".join(value for value in fields.values() if isinstance(value, str))
    assert [c for c in plain if unicodedata.category(c) == "Cc"] == []
    (attachment,) = fields["attachments"]
    assert "/" not in attachment["path"]
    assert (bundle / attachment["path"]).is_file()
    assert body.count("+++") == 2


def test_who_borrows_a_message_id_suppresses_nothing(target):
    def message(text: bytes) -> bytes:
        return b"Message-ID: <known@example.org>\r\nSubject: borrowed\r\n\r\n" + text

    codes = [target.deliver(message(text))[0] for text in (b"first", b"second", b"first")]

    assert codes == [250] * 3
    found = [body.strip() for _, body in target.with_subject("borrowed")]
    assert sorted(found) == ["first", "second"]


@pytest.mark.timeout(60)
def test_a_message_that_is_slow_to_read_holds_nobody_up(target):
    # With all of its marks brought into order this would take minutes.
    marks = ("a" + "\u0300\u0316" * 100_000).encode()

    assert (
        target.deliver(
            b"Subject: " + b"\r\n ".join([marks[n : n + 900] for n in range(0, len(marks), 900)])
        )[0]
        == 250
    )


def test_a_mailbox_that_is_retired_within_a_transaction_is_away(target, bob):
    with target.session() as client:
        client.mail("a@example.org")
        assert client.rcpt("bob@example.com")[0] == 250
        bob.rename(bob.with_name("retired"))
        try:
            code, text = client.data(b"Subject: late\r\n\r\n")
        finally:
            bob.with_name("retired").rename(bob)

    assert (code, text[:5]) == (451, b"4.2.1")
    assert list(bob.rglob("*late*")) == []


def test_what_was_kept_for_some_is_kept_for_the_others_when_it_comes_again(target, bob):
    content = b"Message-ID: <partly@example.org>\r\nSubject: partly\r\n\r\nHello.\r\n"

    def sent(mid_transaction=lambda: None):
        with target.session() as client:
            client.mail("a@example.org")
            codes = [client.rcpt(f"{name}@example.com")[0] for name in ("alice", "bob")]
            assert codes == [250, 250]
            mid_transaction()
            return client.data(content)

    aside = bob.with_name("aside")

    code, text = sent(lambda: bob.rename(aside))
    aside.rename(bob)
    kept = [len(target.with_subject("partly", name)) for name in ("alice", "bob")]
    again = sent()

    assert code == 451
    assert text.startswith(b"4.3.0 Temporary failure on partial accept; please retry")
    assert kept == [1, 0]
    assert again[0] == 250
    assert [len(target.with_subject("partly", name)) for name in ("alice", "bob")] == [1, 1]


def test_clients_that_read_nothing_leave_room_for_others(target):
    clients = [socket.create_connection(("127.0.0.1", target.port)) for _ in range(10)]
    for client in clients:
        client.setblocking(False)
        client.send(b"EHLO a\r\n" * 30_000)

    assert target.deliver(b"Subject: among others\r\n\r\n")[0] == 250

    for client in clients:
        client.close()


def test_a_log_line_is_one_line_whoever_sends(target):
    sender = "\u202ea\u2028b\u0600@example.org"
    said = f"MAIL FROM:<{sender}> SMTPUTF8\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", target.port), 60) as client:
        client.sendall(b"HELO x\r\n" + said.encode() + b"Subject: odd\r\n\r\n.\r\nQUIT\r\n")
        replies = b"".join(iter(lambda: client.recv(65536), b""))

    assert b"354 " in replies
    lines = [json.loads(line) for line in target.log.splitlines()]
    assert sender in [line.get("sender") for line in lines]
    assert [c for c in target.log if not c.isprintable() and c != "\n"] == []
    assert "Traceback" not in target.log
