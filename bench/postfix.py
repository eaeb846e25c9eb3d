"""A Postfix of one's own: Debian's, in a directory of its own, delivering to a Maildir.

Its durability is its default: the queue file and the Maildir file are both flushed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instance import greets, until
from load import RECIPIENT
from servers import Server

from aimx.testing.ports import ReservedPort

COMMAND = Path("/usr/sbin/postfix")
SHIPPED = Path("/etc/postfix")


def is_there() -> bool:
    """Installed, and we may start it: its master runs as root alone."""
    return COMMAND.exists() and os.geteuid() == 0


@contextmanager
def postfix(base: Path, relay: int = 0) -> Iterator[Server]:
    """Where a `relay` is given, what is for others goes to that port of this machine."""
    root = base / "postfix"
    with ReservedPort() as port:
        mail = _configured(root, port.number)
        if relay:
            with (root / "etc" / "main.cf").open("a") as main:
                main.write(f"relayhost = [127.0.0.1]:{relay}\n")
        subprocess.run([COMMAND, "-c", root / "etc", "start"], check=True, capture_output=True)
        try:
            until(lambda: greets(port.number), "postfix to greet")
            master = int((root / "queue" / "pid" / "master.pid").read_text())
            yield Server(port.number, master, mail, suffix="", queues=True)
        finally:
            stop = [COMMAND, "-c", root / "etc", "stop"]
            subprocess.run(stop, check=True, capture_output=True)


def _configured(root: Path, port: int) -> Path:
    """Write all that it needs; gives where new messages come to stand."""
    nobody = pwd.getpwnam("nobody")
    etc, mail, data = root / "etc", root / "mail", root / "data"
    maildir = mail / "agent"
    for directory in (
        etc,
        data,
        root / "queue",
        *(maildir / each for each in ("cur", "new", "tmp")),
    ):
        directory.mkdir(parents=True)
    for directory in (mail, maildir, *maildir.iterdir()):
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    os.chown(data, pwd.getpwnam("postfix").pw_uid, -1)
    for name in ("postfix-files", "dynamicmaps.cf"):
        if (SHIPPED / name).exists():
            shutil.copy(SHIPPED / name, etc)
    (etc / "mailboxes").write_text(f"{RECIPIENT} agent/\n")
    (etc / "main.cf").write_text(
        "compatibility_level = 3.6\n"
        "multi_instance_name = postfix-bench\n"
        f"queue_directory = {root}/queue\n"
        f"data_directory = {data}\n"
        "inet_interfaces = 127.0.0.1\n"
        "inet_protocols = ipv4\n"
        "myhostname = mail.example.com\n"
        "mydestination =\n"
        "alias_maps =\n"
        f"virtual_mailbox_domains = {RECIPIENT.partition('@')[2]}\n"
        f"virtual_mailbox_base = {mail}\n"
        f"virtual_mailbox_maps = hash:{etc}/mailboxes\n"
        f"virtual_uid_maps = static:{nobody.pw_uid}\n"
        f"virtual_gid_maps = static:{nobody.pw_gid}\n"
        "smtpd_client_connection_count_limit = 0\n"
        f"maillog_file = {root}/log\n"
        f"maillog_file_prefixes = {root}\n"
    )
    shipped = (SHIPPED / "master.cf.proto").read_text().splitlines()
    services = [_service(line, port) for line in shipped]
    (etc / "master.cf").write_text("\n".join(services) + "\n")
    subprocess.run(["/usr/sbin/postmap", "-c", etc, f"hash:{etc}/mailboxes"], check=True)
    return maildir / "new"


def _service(line: str, port: int) -> str:
    """One of `master.cf`: our port instead of 25, and nothing in a chroot."""
    fields = line.split()
    if not fields or line.startswith(("#", " ", "\t")):
        return line
    if fields[:2] == ["smtp", "inet"]:
        fields[0] = f"127.0.0.1:{port}"
    fields[4] = "n"
    return " ".join(fields)
