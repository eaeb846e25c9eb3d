"""One instance that everybody attacks, with mailboxes of two users where root runs the tests."""

from __future__ import annotations

import json
import os
import pwd
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import tomli

from aimx.testing.children import children
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, serve_in_thread

PATIENCE = 60.0  # Seconds for what takes a fraction of one; only a failure waits so long.
AIMX = [sys.executable, "-m", "aimx"]


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


def users() -> tuple[str, str]:
    """The owners of the mailboxes: accounts that every host has; without root both are us."""
    if os.geteuid() == 0:
        return "bin", "daemon"
    us = pwd.getpwuid(os.geteuid()).pw_name
    return us, us


def read(path: Path) -> tuple[dict[str, Any], str]:
    """A stored message as its reader finds it: what stands between the first lines `+++`."""
    lines = path.read_text().split("\n")
    assert lines[0] == "+++", path
    end = lines.index("+++", 1)
    fields = tomli.loads("\n".join(lines[1:end]))
    assert fields["id"] == path.stem, path
    return fields, "\n".join(lines[end + 1 :])


@dataclass
class Target:
    """A running instance: alice is the first user's mailbox, bob the second's."""

    base: Path
    port: int
    daemon: subprocess.Popen[bytes]
    read: Callable[[Path], tuple[dict[str, Any], str]] = field(default=read)

    @property
    def socket(self) -> str:
        return str(self.base / "run" / "aimx.sock")

    @property
    def log(self) -> str:
        """All whole lines of it: who reads while one is written may see half of that."""
        text = (self.base / "serve.log").read_text()
        return text[: text.rfind("\n") + 1]

    def mailbox(self, local: str) -> Path:
        return self.base / "data" / "example.com" / "inbox" / local

    def letters(self, local: str) -> list[tuple[dict[str, Any], str]]:
        return [read(path) for path in sorted(self.mailbox(local).rglob("20*.md"))]

    def with_subject(self, subject: str, local: str = "alice") -> list[tuple[dict[str, Any], str]]:
        return [each for each in self.letters(local) if each[0]["subject"] == subject]

    def session(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, "mail.example.org", timeout=PATIENCE)
        client.ehlo()
        return client

    def deliver(self, content: bytes, local: str = "alice") -> tuple[int, bytes]:
        """Bytes as they are; gives the reply to them."""
        with self.session() as client:
            assert client.mail("a@example.org")[0] == 250
            assert client.rcpt(f"{local}@example.com")[0] == 250
            assert client.docmd("DATA")[0] == 354
            client.send(content + b"\r\n.\r\n")
            return client.getreply()

    def ask(self, frame: bytes) -> bytes:
        """The whole reply to a frame."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(self.socket)
            client.sendall(frame)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def become(self, name: str, code: str, *arguments: str) -> list[str]:
        """The command that runs the code as that user, whatever he may read of this Python."""
        user = pwd.getpwnam(name)
        drop = f"os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid})"
        loaded = "import datetime, itertools, os, socket, sys"
        return [sys.executable, "-c", f"{loaded}\n{drop}\n{code}", *arguments]

    def as_user(self, name: str, code: str, *arguments: str) -> str:
        """What the code prints that runs as that user."""
        done = subprocess.run(
            self.become(name, code, *arguments), capture_output=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def processes(self) -> dict[int, str]:
        """The daemon and its children, and their roles."""
        return {self.daemon.pid: "supervisor", **children(self.daemon.pid)}


def manifest(port: int, resolver: str) -> str:
    first, second = users()
    owners = {"alice@example.com": first, "bob@example.com": second}
    tables = "".join(f'[mailboxes."{name}"]\nowner = "{who}"\n' for name, who in owners.items())
    return (
        f'domains = ["example.com"]\n{tables}[smtp]\nbind = ["127.0.0.1:{port}"]\n'
        f"max_connections_per_ip = 100\n[dns]\nresolvers = {json.dumps([resolver])}\n"
    )


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """Where others reach what is theirs: below pytest's directory they do not, since every run of
    pytest closes that anew.
    """
    with TemporaryDirectory(prefix="aimx-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="session")
def target(base: Path) -> Iterator[Target]:
    for name in ("config", "data", "run"):
        (base / name).mkdir(mode=0o755)
    roots = {f"AIMX_{name.upper()}_DIR": str(base / name) for name in ("config", "data")}
    roots["AIMX_RUNTIME_DIR"] = str(base / "run")
    with (
        ReservedPort() as port,
        serve_in_thread(Zone({})) as resolver,
        (base / "serve.log").open("wb") as log,
    ):
        (base / "config" / "manifest.toml").write_text(manifest(port.number, resolver))
        variables = {**os.environ, **roots, "AIMX_RELAY_PASSWORD": "hunter2"}
        daemon = subprocess.Popen([*AIMX, "serve"], env=variables, stdout=log, stderr=log)
        try:
            until((base / "run" / "aimx.pid").exists, "the daemon to be ready")
            yield Target(base, port.number, daemon)
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)


@pytest.fixture(autouse=True)
def _survives(target: Target) -> Iterator[None]:
    """Whatever is done to it, it goes on with the processes that it had."""
    before = target.processes()
    yield
    assert target.processes() == before
    assert target.deliver(b"From: a@example.org\r\nSubject: still there\r\n\r\n")[0] == 250


@pytest.fixture
def bob(target: Target) -> Path:
    """His inbox, which tests take away for a moment: a look of the daemon may see just that."""

    def is_accepted() -> bool:
        with target.session() as client:
            client.mail("a@example.org")
            return client.rcpt("bob@example.com")[0] == 250

    until(is_accepted, "mail for bob to be taken")
    return target.mailbox("bob")
