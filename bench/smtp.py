"""Messages a second until durable, beside Postfix and aiosmtpd; CPU a message, and memory.

All servers run at once and are loaded in turn. A run counts only if there are as many new files
on disk as messages were answered 250. Names are looked up in a zone of our own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from contest import Contender, Shape, contest, tell
from figures import CELLS, Series, number, ratio, table
from instance import GROUND, ground
from large import largest
from load import RECIPIENT, SENDER, Load, Messages, send
from machine import machine
from names import name_server
from postfix import postfix
from servers import SINK, Server, ours, peer, sink
from signing import Strangers, signed
from usage import memory

from aimx.testing.postfix import is_there

SOURCE = "/usr/sbin/smtp-source"
SHAPES = [(10, True), (10, False), (1, True), (1, False)]  # Sessions, and whether they are kept.
MANY = 50  # Sessions.
LARGE = 64 * 1024  # Octets.
DOMAINS = 1_000  # That nobody has heard of, in one run.
REPEATED = 500  # Messages.
YARDSTICK = "aiosmtpd, fsync"
POSTFIX = "Postfix, to a Maildir"  # Its default durability; root alone can start one.
SINGLY = "aimx, one message at a time"
# What `peer.py` calls it, and what it is called here.
DURABILITIES = {
    "flush": YARDSTICK,
    "directory": "aiosmtpd, fsync of file and directory",
    "leave": "aiosmtpd, no fsync",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What every case is measured with."""

    base: Path
    options: argparse.Namespace
    plain: Messages
    signed: Messages
    strangers: Strangers
    resolver: str
    running: ExitStack

    def shape(self, sessions: int, *, kept: bool) -> Shape:
        return Shape(sessions, kept, self.options.seconds, self.options.rounds)

    def ours(self, *variant: str) -> Server:
        return self.running.enter_context(ours(self.base, self.resolver, *variant))

    def postfix(self) -> dict[str, Server]:
        if not is_there():
            print("\nNo Postfix: it is not installed, or this is not root.")
            return {}
        return {POSTFIX: self.running.enter_context(postfix(self.base))}


def main() -> None:
    options = _options()
    plain = Messages(options.size)
    with_signature, records = signed(plain)
    count = DOMAINS * options.rounds if "strangers" in options.only else 0
    strangers = Strangers.of(count, options.size)
    with machine(), ExitStack() as running:
        base = running.enter_context(ground(options.ground))
        resolver = running.enter_context(name_server(records | strangers.zone))
        for each in options.only:
            with ExitStack() as alone:
                directory = base / each
                directory.mkdir()
                CASES[each](
                    Bench(directory, options, plain, with_signature, strangers, resolver, alone)
                )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a run (1)")
    parser.add_argument("--size", type=int, default=4096, help="octets of a message (4096)")
    parser.add_argument(
        "--only", nargs="+", choices=list(CASES), default=list(CASES), help="cases, not all"
    )
    parser.add_argument("--ground", default=GROUND, help=f"a directory on a disk ({GROUND})")
    return parser.parse_args()


def _contest(bench: Bench, title: str, shape: Shape, contenders: Sequence[Contender]) -> None:
    contest(shape, contenders)
    tell(f"{shape}, {title}", contenders, lambda each: each.name in (YARDSTICK, POSTFIX))


def _usual(bench: Bench) -> None:
    aimx, unverified = bench.ours(), bench.ours("unverified", "inbound")
    peers = bench.postfix() | {
        name: bench.running.enter_context(peer(bench.base, each))
        for each, name in DURABILITIES.items()
    }
    for sessions, kept in SHAPES:
        contenders = [
            Contender.of("aimx, each DKIM-signed", aimx, bench.signed),
            Contender.of("aimx", aimx, bench.plain),
            Contender.of("aimx, nothing verified", unverified, bench.plain),
            *(Contender.of(name, server, bench.plain) for name, server in peers.items()),
        ]
        shape = bench.shape(sessions, kept=kept)
        _contest(bench, f"{bench.options.size} octets", shape, contenders)


def _many(bench: Bench) -> None:
    aimx, peers = bench.ours(), bench.postfix()
    for kept in (True, False):
        contenders = [
            Contender.of("aimx, each DKIM-signed", aimx, bench.signed),
            *(Contender.of(name, server, bench.plain) for name, server in peers.items()),
        ]
        shape = bench.shape(MANY, kept=kept)
        _contest(bench, f"{bench.options.size} octets", shape, contenders)


def _large(bench: Bench) -> None:
    plain = Messages(LARGE)
    with_signature, records = signed(plain)
    # Of a zone of its own: it is another key, at the same name.
    resolver = bench.running.enter_context(name_server(records))
    aimx = bench.running.enter_context(ours(bench.base, resolver))
    contenders = [
        Contender.of("aimx, each DKIM-signed", aimx, with_signature),
        Contender.of("aimx", aimx, plain),
        *(Contender.of(name, server, plain) for name, server in bench.postfix().items()),
    ]
    _contest(bench, f"{LARGE} octets", bench.shape(10, kept=True), contenders)


def _strangers(bench: Bench) -> None:
    """Each run has domains that no run before it had."""
    aimx = Contender.of("aimx, each DKIM-signed", bench.ours(), bench.strangers)
    contenders = [aimx]
    contenders += [Contender.of(*each, bench.strangers) for each in bench.postfix().items()]
    for run in range(bench.options.rounds):
        for contender in contenders:
            fresh = bench.strangers.part(run * DOMAINS, DOMAINS)
            load = Load(contender.server.port, 10, kept=True, seconds=60, most=DOMAINS)
            contender.measure(load, fresh)
    title = f"10 sessions, kept connections, {DOMAINS} domains, of which nothing is known"
    tell(title, contenders, lambda each: each.name == POSTFIX)


def _slow(bench: Bench) -> None:
    contenders = [
        Contender.of("aimx", bench.ours("slow", "placer"), bench.plain),
        Contender.of(SINGLY, bench.ours("singly", "placer"), bench.plain),
    ]
    shape = bench.shape(MANY, kept=True)
    contest(shape, contenders)
    title = f"{shape}, {bench.options.size} octets, every flush takes 2 ms more"
    tell(title, contenders, lambda each: each.name == SINGLY)


def _client(bench: Bench) -> None:
    """Our client beside smtp-source, into a server that drops everything."""
    if not (Path(SOURCE).exists() and SINK.exists()):
        print("\nDebian's postfix is not installed: no smtp-source to compare the client with.")
        return
    rows, content = [], ["-l", str(bench.options.size)]
    with sink() as server:
        for sessions, kept in SHAPES:
            mine, theirs = Series("bench/load.py"), Series("smtp-source")
            for _ in range(3):
                sent = send(Load(server.port, sessions, kept, 0.7), Messages(bench.options.size))
                mine.add(sent.rate)
                theirs.add(_source(server, sessions, sent.messages, content, kept=kept))
            shape = str(bench.shape(sessions, kept=kept))
            rows.append([shape, mine.name, *mine.cells(), ratio(mine, theirs)])
            rows.append([shape, theirs.name, *theirs.cells(), ""])
    heads = ["messages/s into smtp-sink", "client", *CELLS, "ratio"]
    table("The client that loads everybody below", heads, rows)


def _repeated(bench: Bench) -> None:
    """What our answer to a message that comes again does to the count of files."""
    if not Path(SOURCE).exists():
        return
    server = bench.ours()
    with tempfile.NamedTemporaryFile("w") as message:
        message.write(f"From: <{SENDER}>\nSubject: Always the same\n\n{'x' * 70}\n")
        message.flush()
        rows = []
        for name, content in (
            ("its own, each with a Message-ID", ["-l", str(bench.options.size)]),
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


def _memory(bench: Bench) -> None:
    server = bench.ours()
    used = memory(server.pid)
    shared_out = "only root may see" if used.shared_out is None else number(used.shared_out)
    heads = ["all processes", "processes", "RSS, MB", "aim, below", "PSS, MB"]
    rows = [["idle", str(used.processes), number(used.resident), "250", shared_out]]
    rows += [
        [name, str(used.processes), number(peak), "400", ""] for name, peak in largest(server, MANY)
    ]
    table("Memory", heads, rows)


CASES: Mapping[str, Callable[[Bench], None]] = {
    "client": _client,
    "usual": _usual,
    "many": _many,
    "large": _large,
    "strangers": _strangers,
    "slow": _slow,
    "memory": _memory,
    "repeated": _repeated,
}


if __name__ == "__main__":
    main()
