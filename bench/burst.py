"""How many messages a second go to one host, in a session each and in one that is kept.

The host is the rehearsal's, in a process of its own: what it takes itself is the same for both.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from figures import CELLS, Series, ratio, table
from machine import machine

from aimx.outbound.deliver import Direct
from aimx.outbound.delivery import Outgoing
from aimx.outbound.outcome import Delivered
from aimx.outbound.session import Manners
from aimx.outbound.sessions import Sessions
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, ZoneResolver

_ZONE = Zone({"example.org": {"MX": "10 mx.example.org"}, "mx.example.org": {"A": "127.0.0.1"}})
_BODY = b"Subject: The prices of this week\r\n\r\n" + b"A crate of apples is two coins.\r\n" * 120


@dataclass(frozen=True, slots=True)
class Way:
    """Who keeps sessions, and how fast that was."""

    speed: Series  # Messages a second.
    port: int
    kept: bool

    async def run(self, messages: int) -> None:
        sessions = Sessions() if self.kept else Sessions(most=0)
        direct = Direct(ZoneResolver(_ZONE), Manners("bench", self.port), sessions=sessions)
        begun = time.perf_counter()
        for number in range(messages):
            content = b"Message-ID: <%d@example.com>\r\n%s" % (number, _BODY)
            outgoing = Outgoing("a@example.com", ("b@example.org",), content, f"{number}")
            (outcome,) = (await direct.deliver(outgoing)).outcomes.values()
            if not isinstance(outcome, Delivered):
                raise SystemExit(f"{self.speed.name}: {outcome}")
        self.speed.add(messages / (time.perf_counter() - begun))
        await sessions.close()


@contextmanager
def host(*arguments: str) -> Iterator[int]:
    """A mail exchanger that takes everything; gives its port."""
    with ReservedPort("127.0.0.1") as reserved:
        port = reserved.number
    command = [sys.executable, "-m", "aimx.testing.exchanger", "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # It listens.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.terminate()
            drain.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each way (5)")
    parser.add_argument("--messages", type=int, default=200, help="in each round (200)")
    options = parser.parse_args()
    with machine(), host() as clear, host("--tls") as encrypted:
        ways = [
            Way(Series("in the clear, a session each"), clear, kept=False),
            Way(Series("in the clear, a session for all"), clear, kept=True),
            Way(Series("TLS, a session each"), encrypted, kept=False),
            Way(Series("TLS, a session for all"), encrypted, kept=True),
        ]
        for _ in range(options.rounds):
            for way in ways:
                asyncio.run(way.run(options.messages))
        _tell(ways)


def _tell(ways: Sequence[Way]) -> None:
    heads = ["messages a second", *CELLS, "ratio to a session each"]
    peers = [ways[at - at % 2].speed for at in range(len(ways))]
    rows = [
        [way.speed.name, *way.speed.cells(), ratio(way.speed, peer)]
        for way, peer in zip(ways, peers, strict=True)
    ]
    table("One after the other to one host", heads, rows)


if __name__ == "__main__":
    main()
