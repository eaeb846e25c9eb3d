"""A Postfix beside the others, delivering to a Maildir with its default durability."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instance import greets, until
from load import RECIPIENT
from servers import Server

from aimx.testing import postfix as testing
from aimx.testing.ports import ReservedPort


@contextmanager
def postfix(base: Path, relay: int = 0) -> Iterator[Server]:
    """Where a `relay` is given, what is for others goes to that port of this machine."""
    root = base / "postfix"
    settings = {
        "myhostname": "mail.example.com",
        "virtual_mailbox_domains": RECIPIENT.partition("@")[2],
        "virtual_mailbox_maps": "static:agent/",
        "smtpd_client_connection_count_limit": "0",
    }
    if relay:
        settings["relayhost"] = f"[127.0.0.1]:{relay}"
    with ReservedPort() as port, testing.postfix(root, settings, {port.number: ()}):
        until(lambda: greets(port.number), "postfix to greet")
        master = int((root / "queue" / "pid" / "master.pid").read_text())
        yield Server(port.number, master, _maildir(root), suffix="", queues=True)


def _maildir(root: Path) -> Path:
    """Where new messages come to stand, which is counted from before the first."""
    nobody, maildir = pwd.getpwnam("nobody"), root / "mail" / "agent"
    for directory in (maildir, *(maildir / each for each in ("cur", "new", "tmp"))):
        directory.mkdir()
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return maildir / "new"
