"""How many messages a second are taken into the queue, by many senders at once, and leave it.

The peer is Postfix, as root: by its `sendmail`, a process a message, and by `smtp-source` over
SMTP. Both take all mail to one `smtp-sink`.
"""

from __future__ import annotations

import argparse
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from figures import CELLS, Series, ratio, table
from instance import Instance, ground, until
from machine import machine
from postfix import postfix

from aimx.doors.socket import client
from aimx.testing.ports import ReservedPort
from aimx.testing.postfix import is_there

_SINK = "/usr/sbin/smtp-sink"
_BODY = b"\n\n".join([b"\n".join([b"A crate of apples is two coins."] * 4)] * 3)
_REST = """
[limits]
sends_per_day = 1000000
new_recipients_per_day = 1000000
[metrics]
bind = ""
[outbound]
mode = "queue"
relay = "127.0.0.1:{port}"
"""


@contextmanager
def sink() -> Iterator[int]:
    """A host that takes everything; gives its port."""
    with ReservedPort("127.0.0.1") as reserved:
        port = reserved.number
    with subprocess.Popen([_SINK, "-u", "nobody", f"127.0.0.1:{port}", "256"]) as process:
        time.sleep(0.2)
        try:
            yield port
        finally:
            process.terminate()


def aimx(instance: Instance) -> Callable[[int], None]:
    """Hands in one message of that number over the socket."""
    socket = str(instance.base / "run" / "aimx.sock")

    def send(number: int) -> None:
        head = f"From: agent\nTo: b{number % 50}@example.org\nSubject: Prices {number}\n\n"
        content = head.encode() + _BODY
        reply = client.call(socket, "SEND", {"Content-Length": str(len(content))}, content)
        if not isinstance(reply, client.Ok):
            raise SystemExit(f"not taken: {reply}")

    return send


def sendmail(etc: Path) -> Callable[[int], None]:
    """The same by Postfix's own command."""

    def send(number: int) -> None:
        content = f"To: b@example.org\nSubject: Prices {number}\n\n".encode() + _BODY
        command = ["/usr/sbin/sendmail", "-C", etc, "-f", "agent@example.com", "b@example.org"]
        subprocess.run(command, input=content, check=True, capture_output=True)

    return send


def burst(send: Callable[[int], None], messages: int, senders: int) -> float:
    """Seconds until all are taken."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(send, range(messages)))
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    parser.add_argument("--messages", type=int, default=400, help="in each round (400)")
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 16], help="at once (1 16)")
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    options = parser.parse_args()
    taken: dict[str, Series] = {}
    left: dict[str, Series] = {}

    def measure(name: str, send: Callable[[int], None], senders: int, rest: Path) -> None:
        title = f"{name}, {senders} at once"
        begun = time.perf_counter()
        seconds = burst(send, options.messages, senders)
        taken.setdefault(title, Series(title)).add(options.messages / seconds)
        until(lambda: not any(path.is_file() for path in rest.rglob("*")), "the queue to be empty")
        whole = time.perf_counter() - begun
        left.setdefault(title, Series(title)).add(options.messages / whole)

    with machine(), ExitStack() as stack:
        base = stack.enter_context(ground())
        port = stack.enter_context(sink())
        instance = Instance(base / "aimx")
        instance.declare(["agent@example.com"], ["example.com"], _REST.format(port=port))
        instance.command("apply", "--yes")
        stack.enter_context(instance.serving())
        ways = [("aimx", aimx(instance), base / "aimx/data/.aimx/out/spool")]
        if is_there() and not options.alone:
            stack.enter_context(postfix(base, relay=port))
            root = base / "postfix"
            ways.append(("Postfix, sendmail", sendmail(root / "etc"), root / "queue" / "active"))
        for _ in range(options.rounds):
            for senders in options.senders:
                for name, send, rest in ways:
                    measure(name, send, senders, rest)
    for title, found in (("Taken", taken), ("Taken and delivered", left)):
        rows = [[each.name, *each.cells(), _ratio(found, each)] for each in found.values()]
        table(title, ["messages a second", *CELLS, "ratio to Postfix"], rows)


def _ratio(found: dict[str, Series], each: Series) -> str:
    peer = found.get(f"Postfix, sendmail,{each.name.rpartition(',')[2]}")
    return ratio(each, peer) if peer else ""


if __name__ == "__main__":
    threading.stack_size(256 * 1024)
    main()
