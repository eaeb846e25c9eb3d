"""Clients that send one message after another, each until it is taken, as servers do."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable, Iterator
from random import Random

from .letters import SENDER, Letter, letter

CLIENTS = 4
_SECONDS = 60.0  # That a client waits for a reply.
_PAUSE = 0.02  # Before a client comes again.
# In so many of hundred, the client hangs up before it hears the reply, or sends again what was
# taken: a peer whose connection breaks does the one, and then the other.
_VANISHES, _REPEATS = 8, 5


class Load:
    """What is sent while the block runs; what is begun by then is sent until it is taken."""

    def __init__(self, port: int, numbers: Iterator[int], seed: str) -> None:
        self._port = port
        self._numbers = numbers
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(Random(f"{seed}-{each}"),))
            for each in range(CLIENTS)
        ]
        self.begun: list[Letter] = []
        self.taken: list[Letter] = []  # What got its 250.
        self.refused: list[str] = []  # What was refused for good: nothing may be.

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def takes(self, more: int) -> Callable[[], bool]:
        """Whether so many more have been taken than by now."""
        reached = len(self.taken) + more
        return lambda: len(self.taken) >= reached

    def _run(self, chance: Random) -> None:
        client = _Client(self._port)
        while not self._stop.is_set():
            with self._lock:
                each = letter(next(self._numbers), chance)
                self.begun.append(each)
            content = each.content
            if chance.randrange(100) < _VANISHES:
                client.vanish(each, content)
            while not self._is_taken(client, each, content):
                threading.Event().wait(_PAUSE)
            self.taken.append(each)
            if chance.randrange(100) < _REPEATS:
                client.send(each, content)
        client.leave()

    def _is_taken(self, client: _Client, each: Letter, content: bytes) -> bool:
        code = client.send(each, content)
        if code >= 500:
            self.refused.append(f"{each.number} got {code}")
        return code == 250


class _Client:
    """One that connects again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session: smtplib.SMTP | None = None

    def send(self, each: Letter, content: bytes) -> int:
        """The code of the reply to the message, or to what came before it; 0: there was none."""
        try:
            return self._sent(each, content)
        except (OSError, smtplib.SMTPException):
            self.leave()
            return 0

    def vanish(self, each: Letter, content: bytes) -> None:
        """Send it, and be gone before there is a reply."""
        try:
            session = self._connected()
            if self._invited(session, each) == 354:
                session.send(_stuffed(content))
        except (OSError, smtplib.SMTPException):
            pass
        self.leave()

    def leave(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _sent(self, each: Letter, content: bytes) -> int:
        session = self._connected()
        code = self._invited(session, each)
        if code == 354:
            session.send(_stuffed(content))
            code = session.getreply()[0]
        if code != 250:
            self.leave()
        return code

    def _connected(self) -> smtplib.SMTP:
        if self._session is None:
            self._session = smtplib.SMTP("127.0.0.1", self._port, "example.org", timeout=_SECONDS)
            self._session.ehlo()
        return self._session

    def _invited(self, session: smtplib.SMTP, each: Letter) -> int:
        said = [session.mail(SENDER)[0], *(session.rcpt(to)[0] for to in each.recipients)]
        return next((code for code in said if code != 250), None) or session.docmd("DATA")[0]


def _stuffed(content: bytes) -> bytes:
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
