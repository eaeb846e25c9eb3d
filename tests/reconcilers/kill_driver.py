"""Applies a small manifest below a directory, and kills itself at a chosen change of the disk."""

from __future__ import annotations

import os
import pwd
import signal
import sys
from pathlib import PurePosixPath

from desired import manifest
from desired.problem import Source
from reconcilers.apply import apply
from reconcilers.generations import Who, applied, leads_to, record
from reconcilers.host.local import LocalHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.journal import Journal
from reconcilers.locks import apply_lock
from reconcilers.planning import plan
from reconcilers.receipt import Receipt, Tally
from reconcilers.roots import Roots
from reconcilers.step import Hands

MANIFEST = """
domains = ["a.example"]
[mailboxes."info@a.example"]
owner = "{owner}"
[mailboxes."*@a.example"]
owner = "{owner}"
"""

CHANGES = {"os.mkdir", "os.rename", "os.link", "os.chmod", "os.chown", "os.remove", "os.rmdir"}


class NoEngine:
    """No engine runs here."""

    def prepare(self, config: bytes) -> None:
        pass

    def commit(self) -> None:
        pass

    def drop(self) -> None:
        pass


def converge(top: str) -> list[Receipt]:
    """One `aimx apply`, as root or whoever we are."""
    directory = PurePosixPath(top)
    roots = Roots(
        directory / "etc", directory / "data", directory / "run", directory / "etc/manifest.toml"
    )
    host = LocalHost(roots)
    owner = pwd.getpwuid(os.getuid()).pw_name if os.getuid() else "nobody"
    source = Source("manifest.toml", MANIFEST.format(owner=owner).encode())
    wanted = manifest.read([source]).desired
    with apply_lock(host, roots, "aimx apply"):
        planned = plan(wanted, ReadOnly(host), roots)
        journal = Journal(host, roots, leads_to(planned))
        receipts = list(apply(planned, Hands(host, NoEngine()), journal))
        if Tally.of(receipts, 0, leads_to(planned)).is_complete:
            who = Who(os.getuid(), "test", "test")
            kept = applied(
                host, roots, planned, receipts, document=b"{}", sources=[source], who=who
            )
            record(host, roots, kept)
    assert journal.trouble == ""
    return receipts


def watch(strike: int) -> list[int]:
    """Count changes of the disk; before the chosen one the process is no more."""
    counted = [0]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and _writes(arguments)
        if event in CHANGES or writes:
            counted[0] += 1
            if counted[0] == strike:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    return counted


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


if __name__ == "__main__":
    counted = watch(int(os.environ["AIMX_TEST_KILL_AT"]))
    converge(sys.argv[1])
    sys.stdout.write(f"{counted[0]}\n")
