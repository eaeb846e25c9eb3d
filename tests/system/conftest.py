"""Whole instances as their users run them: the command, its processes, real sockets and files."""

from __future__ import annotations

import json
import os
import pwd
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomli

PATIENCE = 60.0  # Seconds for what takes a fraction of one; only a failure waits so long.
AIMX = [sys.executable, "-m", "aimx"]


def owner() -> str:
    """Who owns the mailboxes: the user who runs the tests, and nobody for root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until it holds, and give what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


@dataclass
class Instance:
    """Three directories, a manifest, and perhaps a daemon."""

    base: Path
    port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    daemon: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("config", "data", "run"):
            (self.base / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        # Service users must reach their directories through it.
        self.base.chmod(0o755)

    @property
    def manifest(self) -> Path:
        return self.base / "config" / "manifest.toml"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> str:
        return (self.base / "serve.log").read_text(errors="replace")

    def declare(
        self,
        *mailboxes: str,
        domains: tuple[str, ...] = ("example.com",),
        top: str = "",
        rest: str = "",
    ) -> None:
        """Write the manifest anew, as an editor does."""
        tables = "".join(f'[mailboxes."{m}"]\nowner = "{owner()}"\n' for m in mailboxes)
        text = (
            f"domains = {json.dumps(list(domains))}\n{top}\n{tables}\n"
            f'[smtp]\nbind = ["127.0.0.1:{self.port}"]\n{rest}\n'
        )
        self.write(text)

    def write(self, text: str) -> None:
        beside = self.manifest.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.manifest)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AIMX_CONFIG_DIR": str(self.base / "config"),
            "AIMX_DATA_DIR": str(self.data),
            "AIMX_RUNTIME_DIR": str(self.base / "run"),
            **self.variables,
        }

    def aimx(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AIMX, *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def serve(self) -> None:
        """Start the daemon and wait until it greets."""
        with (self.base / "serve.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [*AIMX, "serve"], env=self.environment, stdout=log, stderr=log
            )
        until(self._greets, "the greeting of the daemon")

    def _greets(self) -> bool:
        assert self.daemon is not None
        assert self.daemon.poll() is None, self.log
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as session:
                return session.noop()[0] == 250
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(number)
        code = self.daemon.wait(PATIENCE)
        self.daemon = None
        return code

    def session(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, "mail.example.org", timeout=PATIENCE)

    def deliver(self, content: bytes, *recipients: str, sender: str = "a@example.org") -> int:
        """Send a message; gives the code of the reply to it."""
        with self.session() as session:
            session.ehlo()
            assert session.mail(sender)[0] == 250
            for recipient in recipients:
                assert session.rcpt(recipient)[0] == 250
            return session.data(content)[0]

    def accepts(self, recipient: str) -> bool:
        """Whether mail for it would be taken now."""
        with self.session() as session:
            session.ehlo()
            session.mail("a@example.org")
            return session.rcpt(recipient)[0] == 250

    def mailbox(self, address: str, folder: str = "inbox") -> Path:
        local, _, domain = address.partition("@")
        return self.data / domain / folder / ("catchall" if local == "*" else local)

    def stored(self, address: str, folder: str = "inbox") -> list[Path]:
        return sorted(self.mailbox(address, folder).rglob("*.md"))

    def processes(self) -> dict[int, str]:
        """The daemon's children: their pids and roles."""
        assert self.daemon is not None
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(parent) == self.daemon.pid:
                role = next((w for w in words if w.startswith(b"aimx.processes.")), b"")
                found[int(entry.name)] = role.decode().rpartition(".")[2]
        return found


def frontmatter(path: Path) -> dict[str, Any]:
    """What stands between the first two lines that are exactly `+++`."""
    lines = path.read_text().split("\n")
    assert lines[0] == "+++"
    return tomli.loads("\n".join(lines[1 : lines.index("+++", 1)]))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Makes instances; ends their daemons afterwards."""
    # Root's pytest makes its directories 0700, and service users must get through.
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    made: list[Instance] = []

    def one(name: str = "one", **variables: str) -> Instance:
        instance = Instance(tmp_path / name, variables=variables)
        made.append(instance)
        return instance

    yield one
    for instance in made:
        if instance.daemon is not None:
            instance.daemon.kill()
            instance.daemon.wait()


@pytest.fixture
def instance(make: Callable[..., Instance]) -> Instance:
    return make()
