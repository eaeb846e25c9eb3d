"""The servers that are loaded: ours, a plain aiosmtpd handler, and one that drops everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from instance import PATIENCE, Instance, greets, until
from load import RECIPIENT

from aimx.testing.ports import ReservedPort

PEER = Path(__file__).with_name("peer.py")
SINK = Path("/usr/sbin/smtp-sink")


@dataclass(frozen=True, slots=True)
class Server:
    """Something that takes mail, and where to see what it took."""

    port: int
    pid: int
    directory: Path | None = None  # None: it keeps nothing.
    suffix: str = ".eml"
    queues: bool = False  # Whether a message that is answered 250 is on disk elsewhere at first.

    def files(self) -> int:
        if self.directory is None:
            return 0
        return sum(name.endswith(self.suffix) for name in os.listdir(self.directory))

    def bundles(self) -> int:
        """Messages that are a directory, with their attachments."""
        if self.directory is None:
            return 0
        with os.scandir(self.directory) as entries:
            return sum(entry.is_dir() for entry in entries)


@contextmanager
def ours(base: Path, resolver: str, *variant: str) -> Iterator[Server]:
    """With a variant, one whose worker of that package and role is another one."""
    instance = Instance(base / "-".join(("aimx", *variant)), variant)
    instance.declare([RECIPIENT], ["example.com"], f'[dns]\nresolvers = ["{resolver}"]\n')
    instance.command("apply", "--yes")
    with instance.serving() as pid:
        yield Server(instance.port, pid, instance.mailbox(RECIPIENT), ".md")


@contextmanager
def peer(base: Path, durability: str) -> Iterator[Server]:
    """The handler of `peer.py`, which says what `durability` may be."""
    directory = base / durability
    directory.mkdir()
    with ReservedPort() as port:
        command = (sys.executable, PEER, str(port.number), directory, durability)
        with _running(port.number, *command) as pid:
            yield Server(port.number, pid, directory)


@contextmanager
def sink() -> Iterator[Server]:
    """Postfix's smtp-sink."""
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    with (
        ReservedPort() as port,
        _running(port.number, SINK, *user, f"127.0.0.1:{port.number}", "1000") as pid,
    ):
        yield Server(port.number, pid)


@contextmanager
def _running(port: int, *command: str | Path) -> Iterator[int]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: running.poll() is not None or greets(port), f"{command[0]} to greet")
        if running.poll() is not None:
            raise SystemExit(f"{command[0]} ended with {running.poll()} before it greeted")
        yield running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE)
