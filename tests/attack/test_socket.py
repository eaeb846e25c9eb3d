"""What users of this machine say at the socket."""

import json
import os
import socket
import time

import pytest

STRANGER = "daemon"  # Bob. Alice is another user.
TALK = """
import socket, sys
path, frame = sys.argv[1], bytes.fromhex(sys.argv[2])
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(60)
    client.connect(path)
    client.sendall(frame)
    client.shutdown(socket.SHUT_WR)
    print(b"".join(iter(lambda: client.recv(65536), b"")).hex())
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs two users, and root to be them")


def asked(target, frame: bytes) -> bytes:
    """What the stranger is answered."""
    return bytes.fromhex(target.as_user(STRANGER, TALK, target.socket, frame.hex()))


def submission(author: str) -> bytes:
    message = f"From: {author}\r\nTo: x@example.net\r\nSubject: s\r\n\r\nhi\r\n".encode()
    return b"AIMX/1 SEND\nContent-Length: %d\n\n" % len(message) + message


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\0" * 9000, id="zeros"),
        pytest.param(b"\n" * 9000, id="line-feeds"),
        pytest.param(b"AIMX/1 SEND\n" + b"a" * 20_000, id="endless-line"),
        pytest.param(b"AIMX/1 SEND\nContent-Length: 26214401\n\n", id="too-large"),
        pytest.param(b"AIMX/1 SEND\nContent-Length: -1\n\n", id="less-than-nothing"),
        pytest.param(b"AIMX/1 SEND\nContent-Length: 1000\n\nhi", id="cut-short"),
        pytest.param(b"AIMX/1 SEND\nContent-Length: 0\n\n", id="nothing-to-send"),
        pytest.param(b"AIMX/1 SEND\n\xff: \xfe\n\n", id="no-text"),
        pytest.param(b"AIMX/1 A\x1b[2J\xe2\x80\xa8Code: OK\n\n", id="a-verb-that-is-none"),
    ],
)
def test_nonsense_is_answered_on_one_line(target, frame):
    reply = target.ask(frame).decode()

    first, second, *rest = reply.split("\n")
    assert first.startswith(("AIMX/1 ERR MALFORMED ", "AIMX/1 ERR PROTOCOL "))
    assert second == f"Code: {first.split()[2]}"
    assert rest == ["", ""]
    assert first.isprintable()


def test_who_never_stops_talking_keeps_nobody_out(target):
    clients = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(target.socket)
        clients.append(client)
    turned_away, deadline = 0, time.monotonic() + 60
    while turned_away < 84 and time.monotonic() < deadline:
        for client in tuple(clients):
            try:
                client.send(b"x")
            except OSError:
                turned_away += 1
                clients.remove(client)
                client.close()

    assert turned_away == 84
    assert target.deliver(b"Subject: meanwhile\r\n\r\n")[0] == 250
    for client in clients:
        client.close()


@as_root
def test_another_users_mailbox_is_answered_like_none(target):
    theirs, nobodys = (
        asked(target, submission(f"{local}@example.com")) for local in ("alice", "alicf")
    )

    assert theirs.startswith(b"AIMX/1 ERR MAILBOX no mailbox matches From: alice@example.com")
    assert theirs.replace(b"alice@", b"alicf@") == nobodys


@as_root
@pytest.mark.parametrize(
    "author",
    [
        "alice",
        "ALICE@EXAMPLE.COM",
        '"bob@example.com" <alice@example.com>',
        "=?utf-8?q?bob=40example.com?= <alice@example.com>",
        "alice@example.com (bob@example.com)",
        "alice@example.com\r\nX-From: bob@example.com",
        "alice@example.com, bob@example.com",
        "bob@example.com\r\nFrom: alice@example.com",
        "bob@example.com\r\nSender: alice@example.com",
    ],
)
def test_nobody_sends_as_somebody_else(target, author):
    reply = asked(target, submission(author))

    assert reply.startswith((b"AIMX/1 ERR MAILBOX ", b"AIMX/1 ERR MALFORMED "))


@as_root
def test_status_tells_a_user_of_his_own_mailboxes_alone(target):
    _, _, body = asked(target, b"AIMX/1 STATUS\n\n").partition(b"\n\n")

    document = json.loads(body)
    assert document["mailboxes"] == ["bob@example.com"]
    assert b"alice" not in body
    assert {condition["message"] for condition in document["conditions"]} == {""}


# What only an administrator may want: of what is there, of what is not, and of what makes no sense.
FORBIDDEN = [
    b"PLAN\nManifest: /etc/shadow\n\n",
    b"APPLY\nManifest: /etc/shadow\n\n",
    b"APPLY\nAmend: nonsense\n\n",
    b"DOMAIN-LIST\n\n",
    b"DOMAIN-ADD\nDomain: example.com\n\n",
    b"DOMAIN-ADD\nDomain: example.net\n\n",
    b"DOMAIN-REMOVE\nDomain: example.com\nForce: true\n\n",
    b"DOMAIN-REMOVE\nDomain: example.net\nForce: maybe\n\n",
    b"MAILBOX-LIST\n\n",
    b"MAILBOX-CREATE\nName: alice\n\n",
    b"MAILBOX-CREATE\nName: nobody\nOwner: root\n\n",
    b"MAILBOX-DELETE\nName: alice\nForce: true\n\n",
    b"MAILBOX-DELETE\nName: nobody\nForce: maybe\n\n",
    b"HOOK-LIST\n\n",
    b"HOOK-CREATE\nMailbox: alice\nEvent: on_receive\nContent-Length: 2\n\n{}",
    b"HOOK-CREATE\nMailbox: nobody\nEvent: never\nContent-Length: 2\n\n[[",
    b"HOOK-DELETE\nHook-Name: none\n\n",
    b"LIST\nOf: mailboxes\n\n",
    b"LIST\nOf: nonsense\n\n",
    b"EXPLAIN\nAddress: mailbox/alice@example.com\n\n",
    b"GRAPH\n\n",
    b"DIFF\n\n",
    b"HISTORY\n\n",
    b"TOMBSTONES\nDo: list\n\n",
    b"ROLLBACK\n\n",
    b"SUSPEND\nFor: 1h\n\n",
    b"RESUME\n\n",
    b"APPROVE\nPlan: none\n\n",
]


@as_root
@pytest.mark.parametrize("frame", FORBIDDEN, ids=lambda it: it[:40].replace(b"\n", b" ").decode())
def test_who_administers_nothing_learns_nothing_by_any_verb(target, frame):
    reply = asked(target, b"AIMX/1 " + frame)

    assert reply == b"AIMX/1 ERR EACCES not authorized\nCode: EACCES\n\n"
