"""From saving a manifest to the first 250 for the mailbox that it adds, in watch mode.

Beside it, in every other round: from a rename to the moment when a bare watcher in a process of
its own has heard of it, which is what noticing alone costs.
"""

from __future__ import annotations

import argparse
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Series, number, ratio, table
from instance import PATIENCE, Instance, ground, until
from machine import machine

from aimx.testing.children import children

SIZES = [100, 10_000]
LARGE = 10_000  # From where on a planner is sure to plan.
_RESTS = 5
# The server hangs up after twenty refusals, so a session asks less often than that.
MOST_REFUSALS = 15
_PAUSE = 0.002  # Seconds between two questions, so that asking does not slow what is measured.


class Asker:
    """Asks one server for recipients, in one session for as long as it is granted one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._refused = 0
        self._session = self._greeted()
        self.answered = Series("RCPT answered meanwhile")  # Milliseconds.

    def accepts(self, address: str) -> bool:
        """Whether a new transaction takes this recipient."""
        if self._refused >= MOST_REFUSALS:
            self.close()
            self._session, self._refused = self._greeted(), 0
        self._session.mail("someone@sender.example")
        begun = time.perf_counter()
        code, text = self._session.rcpt(address)
        self.answered.add((time.perf_counter() - begun) * 1000)
        self._session.rset()
        if code not in (250, 550):
            raise SystemExit(f"RCPT was answered {code} {text!r}")
        self._refused += code == 550
        return code == 250

    def close(self) -> None:
        self._session.quit()

    def _greeted(self) -> smtplib.SMTP:
        session = smtplib.SMTP("127.0.0.1", self._port, "sender.example", timeout=PATIENCE)
        session.ehlo()
        return session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="mailboxes to be added (60)")
    options = parser.parse_args()
    with machine(), ground() as base:
        for size in SIZES:
            _tell(size, _measured(base / str(size), size, options.rounds))


def _measured(base: Path, size: int, rounds: int) -> list[Series]:
    ours, bare = Series("saved to accepted"), Series("a bare watcher hears of it")
    base.mkdir()
    instance = Instance(base / "aimx")
    mailboxes = [f"agent{each}@example.com" for each in range(size)]
    instance.declare(mailboxes, ["example.com"])
    instance.command("apply", "--yes")
    with instance.serving() as served, _watcher(base / "watched") as watcher:
        asker = Asker(instance.port)
        for each in range(rounds):
            mailboxes.append(f"added{each}@example.com")
            ours.add(_added(instance, asker, mailboxes))
            bare.add(_heard(base / "watched", watcher))
        rested = _rested(instance, asker, mailboxes, served) if size >= LARGE else []
        asker.close()
    return [ours, bare, asker.answered, *rested]


def _rested(instance: Instance, asker: Asker, mailboxes: list[str], served: int) -> list[Series]:
    """As after a rest so long that the planner of a large instance has gone."""
    ours = Series("saved to accepted, without a planner")
    for each in range(_RESTS):
        for planner in _planners(served):
            os.kill(planner, signal.SIGKILL)
        until(lambda: not _planners(served), "the planner to go")
        mailboxes.append(f"rested{each}@example.com")
        ours.add(_added(instance, asker, mailboxes))
    return [ours]


def _planners(served: int) -> list[int]:
    """The process ids of a daemon's planners."""
    return [pid for pid, role in children(served).items() if role == "planner"]


def _added(instance: Instance, asker: Asker, mailboxes: list[str]) -> float:
    """Milliseconds until the last of the mailboxes, which is new, is accepted."""
    address = mailboxes[-1]
    if asker.accepts(address):
        raise SystemExit(f"{address} is accepted before it is declared")
    begun = instance.declare(mailboxes, ["example.com"])
    while not asker.accepts(address):
        if time.perf_counter() - begun > PATIENCE:
            raise SystemExit(f"{address} is not accepted: {instance.log}")
        time.sleep(_PAUSE)
    taken = time.perf_counter() - begun
    if not instance.mailbox(address).is_dir():
        raise SystemExit(f"{address} is accepted, and has no directory")
    if not (asker.accepts(address) and asker.accepts(mailboxes[0])):
        raise SystemExit(f"{address} or {mailboxes[0]} is refused after it was accepted")
    return taken * 1000


WATCHER = """
import sys, time, watchfiles
for _ in watchfiles.watch(sys.argv[1], debounce=100, step=20, recursive=False, rust_timeout=500,
                          yield_on_timeout=True):
    print(time.perf_counter() if _ else "", flush=True)
"""


@contextmanager
def _watcher(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """One with the settings that `aimx serve` has by default; it prints when it heard what."""
    directory.mkdir()
    command = [sys.executable, "-c", WATCHER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        watcher.stdout.readline()  # It watches.
        try:
            yield watcher
        finally:
            watcher.terminate()


def _heard(directory: Path, watcher: subprocess.Popen[str]) -> float:
    assert watcher.stdout is not None
    beside = directory.parent / "beside"
    beside.write_text(str(time.time_ns()))
    begun = time.perf_counter()
    os.replace(beside, directory / "manifest.toml")
    # Both processes read the same monotonic clock.
    while not (line := watcher.stdout.readline().strip()) or float(line) < begun:
        continue
    return (float(line) - begun) * 1000


def _tell(size: int, measured: list[Series]) -> None:
    rows = [
        [
            each.name,
            number(each.median),
            number(each.quantile(0.99)),
            number(max(each.values)),
            number(min(each.values)),
            str(len(each.values)),
            ratio(each, measured[1]),
        ]
        for each in measured
    ]
    heads = ["milliseconds", "p50", "p99", "max", "min", "runs", "ratio of p50"]
    table(f"One mailbox more, beside {size:,} and those added before", heads, rows)


if __name__ == "__main__":
    main()
