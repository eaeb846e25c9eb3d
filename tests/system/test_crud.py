"""Domains, mailboxes and hooks over the socket, in the forms of the older system."""

import os
import pwd
import socket

import pytest

from aimx.doors.socket.client import Err, Ok

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
INFO = "info@example.com"


@pytest.fixture
def served(instance):
    instance.declare(INFO, "x@b.example", domains=("example.com", "b.example"))
    instance.serve()
    return instance


def raw(instance, frame):
    """What the daemon says to these bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(instance.base / "run" / "aimx.sock"))
        client.sendall(frame)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_a_domain_is_added_and_removed(served):
    added = raw(served, b"AIMX/1 DOMAIN-ADD\nDomain: C.example\nSelector: s1\n\n")
    again = raw(served, b"AIMX/1 DOMAIN-ADD\nDomain: c.example\n\n")
    rows = served.ask("DOMAIN-LIST").document
    removed = served.ask("DOMAIN-REMOVE", {"Domain": "c.example", "Force": "false"}).document

    assert added == b"AIMX/1 OK\n"
    assert again.startswith(b"AIMX/1 ERR DOMAIN domain 'c.example' is already configured")
    assert again.endswith(b"\nCode: DOMAIN\n\n")
    assert rows[2] == {
        "domain": "c.example",
        "default": False,
        "dkim_loaded": True,
        "dkim_selector": "s1",
        "mailbox_count": 0,
        "unread": 0,
        "overrides": "dkim_selector",
    }
    assert removed == {
        "outcome": "removed",
        "blocking_mailboxes": [],
        "cascaded_mailboxes": [],
        "storage_tree_removed": True,
        "dkim_dir": str(served.base / "config" / "dkim" / "c.example"),
    }


def test_what_is_in_the_way_of_a_removal_is_told_and_goes_with_force(served):
    blocked = served.ask("DOMAIN-REMOVE", {"Domain": "b.example", "Force": "false"}).document
    still = served.accepts("x@b.example")
    removed = served.ask("DOMAIN-REMOVE", {"Domain": "b.example", "Force": "true"}).document

    assert (blocked["outcome"], blocked["blocking_mailboxes"], still) == (
        "blocked_by_mailboxes",
        ["x@b.example"],
        True,
    )
    assert (removed["outcome"], removed["cascaded_mailboxes"]) == ("removed", ["x@b.example"])
    assert removed["storage_tree_removed"] is True
    assert not served.accepts("x@b.example")


def test_the_last_domain_stays(served):
    served.ask("DOMAIN-REMOVE", {"Domain": "b.example", "Force": "true"})

    refused = served.ask("DOMAIN-REMOVE", {"Domain": "example.com", "Force": "true"})

    assert isinstance(refused, Err)
    assert refused.code == "DOMAIN"
    assert refused.reason.startswith("cannot remove 'example.com': it is the last configured")


def test_a_mailbox_is_created_and_deleted(served):
    created = raw(served, f"AIMX/1 MAILBOX-CREATE\nName: new\nOwner: {OWNER}\n\n".encode())
    accepted = served.accepts("new@example.com")
    rows = served.ask("MAILBOX-LIST").document
    deleted = raw(served, b"AIMX/1 MAILBOX-DELETE\nName: new\n\n")

    assert (created, deleted) == (b"AIMX/1 OK\n", b"AIMX/1 OK\n")
    assert (accepted, served.accepts("new@example.com")) == (True, False)
    assert rows[1] == {
        "name": "new@example.com",
        "address": "new@example.com",
        "inbox_path": str(served.mailbox("new@example.com")),
        "sent_path": str(served.mailbox("new@example.com", "sent")),
        "total": 0,
        "unread": 0,
        "sent_count": 0,
        "registered": True,
    }


REFUSED = {
    "MAILBOX-CREATE\nName: new": "VALIDATION MAILBOX-CREATE requires an Owner: header",
    "MAILBOX-CREATE\nName: info\nOwner: OWNER": "MAILBOX mailbox 'info' already exists",
    "MAILBOX-CREATE\nName: a\nOwner: no-such-user": "VALIDATION unknown owner 'no-such-user'",
    "MAILBOX-DELETE\nName: none": "MAILBOX mailbox 'none' does not exist",
    "MAILBOX-DELETE\nName: info": "NONEMPTY mailbox 'info' has 1 file (1 in inbox, 0 in sent)",
    "DOMAIN-ADD\nDomain: no_name": "VALIDATION domain 'no_name' is not a valid RFC 1035 hostname",
    "DOMAIN-REMOVE\nDomain: none.example\nForce: true": "DOMAIN domain 'none.example' is not",
    "DOMAIN-REMOVE\nDomain: b.example": "MALFORMED malformed request: missing header 'force'",
    "DOMAIN-LIST\nFormat: json": "MALFORMED malformed request: DOMAIN-LIST takes no headers",
    "HOOK-DELETE\nHook-Name: none": "ENOENT hook 'none' not found",
}


def test_what_cannot_be_done_is_told_under_its_code(served):
    served.deliver(b"From: a@example.org\r\nSubject: x\r\n\r\nx\r\n", INFO)
    before = served.manifest.read_bytes()

    said = {
        frame: raw(served, f"AIMX/1 {frame}\n\n".replace("OWNER", OWNER).encode()).decode()
        for frame in REFUSED
    }

    told = {
        frame: reply.startswith(f"AIMX/1 ERR {REFUSED[frame]}") for frame, reply in said.items()
    }
    assert all(told.values()), said
    assert served.manifest.read_bytes() == before


def hook(instance, body, mailbox="info"):
    headers = {"Mailbox": mailbox, "Event": "on_receive", "Name": "notify"}
    return instance.ask("HOOK-CREATE", {**headers, "Content-Length": str(len(body))}, body)


def test_a_hook_is_created_and_deleted(served):
    created = hook(served, b'{"cmd": ["/bin/true"], "timeout_secs": 5, "type": "cmd"}')
    rows = served.ask("HOOK-LIST").document
    deleted = served.ask("HOOK-DELETE", {"Hook-Name": "notify"})

    assert isinstance(created, Ok), created
    assert isinstance(deleted, Ok), deleted
    assert rows == [
        {
            "name": "notify",
            "mailbox": INFO,
            "event": "on_receive",
            "cmd": ["/bin/true"],
            "fire_on_untrusted": False,
            "timeout_secs": 5,
        }
    ]
    assert served.ask("HOOK-LIST").document == []


@pytest.mark.parametrize(
    ("body", "mailbox", "told"),
    [
        pytest.param(b"nonsense", "info", "PROTOCOL invalid HOOK-CREATE body", id="no-json"),
        pytest.param(b"{}", "info", "PROTOCOL invalid HOOK-CREATE body: `cmd`", id="no-cmd"),
        pytest.param(
            b'{"cmd": ["/a"], "stdin": "x"}',
            "info",
            "PROTOCOL invalid HOOK-CREATE body: unknown field `stdin`",
            id="unknown",
        ),
        pytest.param(
            b'{"cmd": ["/a"], "type": "http"}', "info", "VALIDATION unsupported type", id="type"
        ),
        pytest.param(b'{"cmd": ["a"]}', "info", "VALIDATION the manifest would be", id="relative"),
        pytest.param(
            b'{"cmd": ["/a", "\\ud800"]}', "info", "VALIDATION `cmd` holds", id="half-a-character"
        ),
        pytest.param(b'{"cmd": ["/a"]}', "none", "ENOENT mailbox 'none' does not exist", id="none"),
    ],
)
def test_a_hook_that_cannot_be_is_told_under_its_code(served_once, body, mailbox, told):
    refused = hook(served_once, body, mailbox)

    assert isinstance(refused, Err)
    assert f"{refused.code} {refused.reason}".startswith(told)


@pytest.fixture(scope="module")
def served_once(make_for_all):
    instance = make_for_all("once")
    instance.declare(INFO)
    instance.serve()
    return instance
