"""Messages a second until durable, beside Postfix and aiosmtpd; CPU a message, idle memory.

All servers run at once and are loaded in turn. A run counts only if there are as many new files
on disk as messages were answered 250. Names are looked up in a zone of our own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from figures import CELLS, Series, number, ratio, table
from instance import ground
from load import RECIPIENT, SENDER, Load, LoadError, Messages, send
from machine import machine
from postfix import is_there, postfix
from servers import SINK, Server, ours, peer, sink
from signing import signed
from usage import cpu_seconds, memory

from aimx.testing.zone import Zone, serve_in_thread

SOURCE = "/usr/sbin/smtp-source"
SHAPES = [(10, True), (10, False), (1, True), (1, False)]  # Sessions, and whether they are kept.
REPEATED = 500  # Messages.
YARDSTICK = "aiosmtpd, fsync"
POSTFIX = "Postfix, to a Maildir"  # Its default durability; root alone can start one.
# What `peer.py` calls it, and what it is called here.
DURABILITIES = {
    "flush": YARDSTICK,
    "directory": "aiosmtpd, fsync of file and directory",
    "leave": "aiosmtpd, no fsync",
}


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
        try:
            sent = send(load, self.messages)
        except (LoadError, OSError) as cause:
            raise SystemExit(f"{self.name}, port {load.port}: {cause}") from cause
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
    plain = Messages(options.size)
    with_signature, records = signed(plain)
    with machine(), ExitStack() as running:
        _client(options)
        base = running.enter_context(ground())
        resolver = running.enter_context(serve_in_thread(Zone(records)))
        aimx = running.enter_context(ours(base, resolver))
        _memory(aimx)
        peers = {
            DURABILITIES[each]: running.enter_context(peer(base, each)) for each in DURABILITIES
        }
        if is_there():
            peers[POSTFIX] = running.enter_context(postfix(base))
        for sessions, kept in SHAPES:
            contenders = [
                Contender.of("aimx", aimx, plain),
                Contender.of("aimx, each DKIM-signed", aimx, with_signature),
                *(Contender.of(name, server, plain) for name, server in peers.items()),
            ]
            _shape(options, sessions, contenders, kept=kept)
        _repeated(aimx, options.size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a run (1)")
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
    yardsticks = [each for each in contenders if each.name in (YARDSTICK, POSTFIX)]
    rows = [
        [
            contender.name,
            *contender.rate.cells(),
            number(contender.cpu.median),
            *(ratio(contender.rate, yardstick.rate) for yardstick in yardsticks),
        ]
        for contender in contenders
    ]
    beside = [f"to {yardstick.name}" for yardstick in yardsticks]
    heads = ["messages/s", *CELLS, "CPU ms a message", *beside]
    table(f"{_named(sessions, kept=kept)}, {options.size} octets", heads, rows)


def _client(options: argparse.Namespace) -> None:
    """Our client beside smtp-source, into a server that drops everything."""
    if not (Path(SOURCE).exists() and SINK.exists()):
        print("\nDebian's postfix is not installed: no smtp-source to compare the client with.")
        return
    rows, content = [], ["-l", str(options.size)]
    with sink() as server:
        for sessions, kept in SHAPES:
            mine, theirs = Series("bench/load.py"), Series("smtp-source")
            for _ in range(3):
                sent = send(Load(server.port, sessions, kept, 0.7), Messages(options.size))
                mine.add(sent.rate)
                theirs.add(_source(server, sessions, sent.messages, content, kept=kept))
            name = _named(sessions, kept=kept)
            rows.append([name, mine.name, *mine.cells(), ratio(mine, theirs)])
            rows.append([name, theirs.name, *theirs.cells(), ""])
    heads = ["messages/s into smtp-sink", "client", *CELLS, "ratio"]
    table("The client that loads everybody below", heads, rows)


def _repeated(server: Server, size: int) -> None:
    """What our answer to a message that comes again does to the count of files."""
    if not Path(SOURCE).exists():
        return
    with tempfile.NamedTemporaryFile("w") as message:
        message.write(f"From: <{SENDER}>\nSubject: Always the same\n\n{'x' * 70}\n")
        message.flush()
        rows = []
        for name, content in (
            ("its own, each with a Message-ID", ["-l", str(size)]),
            ("one file, again and again", ["-F", message.name]),
        ):
            files = server.files()
            rate = _source(server, 10, REPEATED, content, kept=True)
            rows.append([name, str(REPEATED), str(server.files() - files), number(rate)])
    heads = ["smtp-source sends", "answered 250", "new files", "messages/s"]
    table("Messages that differ, and one that does not", heads, rows)


def _source(
    server: Server, sessions: int, count: int, content: Sequence[str], *, kept: bool
) -> float:
    """Messages a second; raises where one of them is not answered 250."""
    command = [SOURCE, "-s", str(sessions), "-m", str(count), *content]
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
