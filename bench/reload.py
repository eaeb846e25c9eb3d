"""What clients notice of applies: of a large one, and of many small ones one after the other.

While ten thousand mailboxes are made: how long a new connection waits for its greeting, and an open
session for the answer to `RCPT`. Over a thousand edits: whether any session is ended or refused.
"""

from __future__ import annotations

import argparse
import smtplib
import subprocess
import threading
import time
from pathlib import Path

from edit import Asker
from figures import Series, number, table
from instance import AIMX, PATIENCE, Instance, ground
from machine import machine

NEW = 10_000  # Mailboxes that the large apply makes: twice as many directories.
SESSIONS = 5
_PAUSE = 0.01  # Seconds between two questions.
HEADS = ["milliseconds", "p50", "p99", "max", "n", "connections lost"]


class Client(threading.Thread):
    """Greeted again and again, or asking in one session, until it is told to stop."""

    def __init__(self, name: str, port: int, *, stays: bool) -> None:
        super().__init__(daemon=True)
        self.waited = Series(name)
        self.lost = 0
        self._port, self._stays = port, stays
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                (self._asks if self._stays else self._connects)()
            except (OSError, smtplib.SMTPException):
                self.lost += 1

    def stop(self) -> None:
        self._ended.set()
        self.join(PATIENCE)

    def _connects(self) -> None:
        begun = time.perf_counter()
        session = smtplib.SMTP("127.0.0.1", self._port, "sender.example", timeout=PATIENCE)
        self.waited.add((time.perf_counter() - begun) * 1000)
        session.quit()
        self._ended.wait(_PAUSE)

    def _asks(self) -> None:
        asker = Asker(self._port)
        asker.answered = self.waited
        while not self._ended.wait(_PAUSE):
            if not asker.accepts("first@example.com"):
                raise smtplib.SMTPResponseException(550, b"a mailbox was refused that is there")
        asker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=1_000, help="edits one after the other (1000)")
    options = parser.parse_args()
    with machine(), ground() as base:
        table(f"While {NEW:,} mailboxes are made", HEADS, _large(base / "large"))
        table(f"Over {options.edits:,} edits", HEADS, _many(base / "many", options.edits))


def _large(base: Path) -> list[list[str]]:
    instance = _served(base)
    mailboxes = ["first@example.com", *(f"agent{each}@example.com" for each in range(NEW))]
    with instance.serving():
        calm = _clients("before", instance.port)
        time.sleep(10)
        _stopped(calm)
        during = _clients("meanwhile", instance.port)
        begun = instance.declare(mailboxes, ["example.com"])
        _until_accepted(instance, mailboxes[-1])
        print(f"accepted {time.perf_counter() - begun:.1f} s after it was saved", flush=True)
        _stopped(during)
    return [_row(each) for each in (*calm, *during)]


def _many(base: Path, edits: int) -> list[list[str]]:
    instance = _served(base)
    mailboxes = ["first@example.com"]
    with instance.serving():
        names = [f"session {each}" for each in range(1, SESSIONS + 1)]
        clients = [Client(name, instance.port, stays=True) for name in names]
        clients.append(Client("new connections", instance.port, stays=False))
        for client in clients:
            client.start()
        for each in range(edits):
            mailboxes[1:] = [f"agent{each}@example.com"]
            instance.declare(mailboxes, ["example.com"])
            _until_accepted(instance, mailboxes[-1])
        _stopped(clients)
    return [_row(each) for each in clients]


def _served(base: Path) -> Instance:
    instance = Instance(base)
    instance.declare(["first@example.com"], ["example.com"])
    instance.command("apply", "--yes")
    return instance


def _clients(when: str, port: int) -> list[Client]:
    clients = [
        Client(f"greeted, {when}", port, stays=False),
        Client(f"RCPT answered, {when}", port, stays=True),
    ]
    for client in clients:
        client.start()
    return clients


def _stopped(clients: list[Client]) -> None:
    for client in clients:
        client.stop()


def _until_accepted(instance: Instance, address: str) -> None:
    asker = Asker(instance.port)
    deadline = time.monotonic() + PATIENCE * 5
    while not asker.accepts(address):
        if time.monotonic() > deadline:
            told = subprocess.run([AIMX, "status"], env=instance.environment, check=False)
            raise SystemExit(f"{address} is not accepted ({told.returncode}): {instance.log}")
        time.sleep(_PAUSE)
    asker.close()


def _row(client: Client) -> list[str]:
    waited = client.waited
    return [
        waited.name,
        number(waited.median),
        number(waited.quantile(0.99)),
        number(max(waited.values)),
        str(len(waited.values)),
        str(client.lost),
    ]


if __name__ == "__main__":
    main()
