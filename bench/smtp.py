"""Messages a second until durable, beside a plain aiosmtpd handler; CPU a message, idle memory.

All servers run at once and are loaded in turn. A run counts only if there are as many new files
on disk as messages were answered 250. Names are looked up in a zone of our own.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from figures import CELLS, Series, machine, number, ratio, table
from instance import ground
from load import RECIPIENT, SENDER, Load, Messages, send
from servers import SINK, Server, ours, peer, sink
from signing import signed
from usage import cpu_seconds, memory

from aimx.testing.zone import Zone, serve_in_thread

SOURCE = "/usr/sbin/smtp-source"
SHAPES = [(10, True), (10, False), (1, True), (1, False)]  # Sessions, and whether they are kept.
AIM = "1.5"  # Times the messages of the peer that flushes, at ten sessions.


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, and what it is sent."""

    name: str
    server: Server
    messages: Messages
    rate: Series
    cpu: Series

    @classmethod
    def of(cls, name: str, server: Server, messages: Messages) -> Contender:
        return cls(name, server, messages, Series(name), Series(name))

    def measure(self, load: Load) -> None:
        files, cpu = self.server.files(), cpu_seconds(self.server.pid)
        sent = send(load, self.messages)
        spent, new = cpu_seconds(self.server.pid) - cpu, self.server.files() - files
        if new != sent.messages:
            raise SystemExit(
                f"{self.name} answered 250 to {sent.messages} messages and has {new} new files:"
                " the run does not count"
            )
        self.rate.add(sent.rate)
        self.cpu.add(spent / sent.messages * 1000)


def main() -> None:
    options = _options()
    machine()
    _client(options)
    plain = Messages(options.size)
    with_signature, records = signed(plain)
    with ExitStack() as running:
        base = running.enter_context(ground())
        resolver = running.enter_context(serve_in_thread(Zone(records)))
        aimx = running.enter_context(ours(base, resolver))
        _memory(aimx)
        flushing = running.enter_context(peer(base, "flush"))
        leaving = running.enter_context(peer(base, "leave"))
        contenders = [
            ("aimx", aimx, plain),
            ("aimx, all DKIM-signed", aimx, with_signature),
            ("aiosmtpd, fsync", flushing, plain),
            ("aiosmtpd, no fsync", leaving, plain),
        ]
        for sessions, kept in SHAPES:
            _shape(options, sessions, [Contender.of(*each) for each in contenders], kept=kept)
        _repeated(aimx, options.size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (5)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a run (1.5)")
    parser.add_argument("--size", type=int, default=4096, help="octets of a message (4096)")
    return parser.parse_args()


def _shape(
    options: argparse.Namespace, sessions: int, contenders: Sequence[Contender], *, kept: bool
) -> None:
    for contender in contenders:  # What is done once: look-ups, opened directories.
        send(Load(contender.server.port, sessions, kept, 0.3), contender.messages)
    for _ in range(options.rounds):
        for contender in contenders:
            contender.measure(Load(contender.server.port, sessions, kept, options.seconds))
    yardstick = next(each for each in contenders if each.name == "aiosmtpd, fsync")
    rows = [
        [
            contender.name,
            *contender.rate.cells(),
            number(contender.cpu.median),
            ratio(contender.rate, yardstick.rate),
        ]
        for contender in contenders
    ]
    heads = ["messages/s", *CELLS, "CPU ms a message", f"ratio (aim: {AIM})"]
    table(f"{_named(sessions, kept=kept)}, {options.size} octets", heads, rows)


def _client(options: argparse.Namespace) -> None:
    """Our client beside smtp-source, into a server that drops everything."""
    if not (Path(SOURCE).exists() and SINK.exists()):
        print("\nDebian's postfix is not installed: no smtp-source to compare the client with.")
        return
    rows = []
    with sink() as server:
        for sessions, kept in SHAPES:
            mine, theirs = Series("bench/load.py"), Series("smtp-source")
            for _ in range(3):
                sent = send(Load(server.port, sessions, kept, 0.7), Messages(options.size))
                mine.add(sent.rate)
                theirs.add(_source(server, sessions, sent.messages, options.size, kept=kept))
            name = _named(sessions, kept=kept)
            rows.append([name, mine.name, *mine.cells(), ratio(mine, theirs)])
            rows.append([name, theirs.name, *theirs.cells(), ""])
    heads = ["messages/s into smtp-sink", "client", *CELLS, "ratio"]
    table("The client that loads everybody below", heads, rows)


def _repeated(server: Server, size: int) -> None:
    """What smtp-source sends: its messages differ in nothing but, perhaps, their Message-ID."""
    if not Path(SOURCE).exists():
        return
    count, files = 1000, server.files()
    rate = _source(server, 10, count, size, kept=True)
    print(
        f"\nsmtp-source, 10 sessions, kept: {count} messages at {rate:,.0f}/s,"
        f" {server.files() - files} new files."
    )


def _source(server: Server, sessions: int, count: int, size: int, *, kept: bool) -> float:
    command = [SOURCE, "-s", str(sessions), "-m", str(count), "-l", str(size)]
    command += ["-f", SENDER, "-t", RECIPIENT, *(["-d"] if kept else [])]
    begun = time.perf_counter()
    subprocess.run([*command, f"127.0.0.1:{server.port}"], check=True, stdout=subprocess.DEVNULL)
    return count / (time.perf_counter() - begun)


def _memory(server: Server) -> None:
    used = memory(server.pid)
    shared_out = "only root may see" if used.shared_out is None else number(used.shared_out)
    heads = ["idle", "processes", "RSS, MB (aim: 250)", "PSS, MB"]
    rows = [["aimx serve, all of it", str(used.processes), number(used.resident), shared_out]]
    table("Memory", heads, rows)


def _named(sessions: int, *, kept: bool) -> str:
    return f"{sessions} session{'s' * (sessions > 1)}, {'kept' if kept else 'new'} connections"


if __name__ == "__main__":
    main()
