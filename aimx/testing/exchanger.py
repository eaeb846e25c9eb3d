"""A mail exchanger on 127.0.0.1 that follows a script, to rehearse delivery without the internet.

It accepts every message and keeps what it received, except where its script says otherwise.

A first host that is broken is one whose address nobody listens on, before a good one in the zone:

    {"c.example": {"MX": ["10 mx1.c.example", "20 mx2.c.example"]},
     "mx1.c.example": {"A": "127.0.0.9"}, "mx2.c.example": {"A": "127.0.0.1"}}

    async with Exchanger({"RCPT": ["450 4.2.0 Later"]}, tls=throwaway_tls()) as exchanger:
        ...                                          # deliver to 127.0.0.1, port exchanger.port
        exchanger.received[0].content
    with in_thread(Exchanger()) as exchanger:        # the same where no event loop runs
        ...

From a shell it listens on a port until it is interrupted, and prints a JSON line a message:

    python -m aimx.testing.exchanger --port 2525 --tls RCPT='450 4.2.0 Later' END=DISCONNECT
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Self

from aimx.testing import script
from aimx.testing.certificate import throwaway_tls
from aimx.testing.script import Script
from desired.frozen import frozen

_LONGEST_LINE = 1 << 20
_PATH = re.compile(r"<([^>]*)>")


@frozen
class Received:
    """A message that was accepted."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes  # Without dot-stuffing.
    tls: bool
    options: str  # What stood behind the sender.


@dataclass(slots=True)
class _Transaction:
    sender: str = ""
    options: str = ""
    recipients: list[str] = field(default_factory=list)


class _Gone(Exception):  # noqa: N818 - an end, not an error
    """The connection is over."""


class Exchanger:
    """The server; one script for all its connections."""

    def __init__(
        self,
        script: Mapping[str, Iterable[str]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        extensions: Iterable[str] = ("SIZE", "SMTPUTF8"),
        address: str = "127.0.0.1",
        port: int = 0,
        told: Callable[[Received], object] = lambda message: None,
    ) -> None:
        self.received: list[Received] = []
        self.commands: list[str] = []  # Every line of every client, in order.
        self.connections = 0
        self.port = port
        self.address = address
        self.tls = tls
        self.implicit_tls = implicit_tls  # From the first byte, as on port 465.
        self._told = told
        offers_tls = tls is not None and not implicit_tls
        self.extensions = (*extensions, *(("STARTTLS",) if offers_tls else ()))
        self.script = Script(script or {})
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept,
            self.address,
            self.port,
            limit=_LONGEST_LINE,
            ssl=(self.tls or throwaway_tls()) if self.implicit_tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """End every session without a word, as a host does that has waited for long."""
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def keep(self, message: Received) -> None:
        self.received.append(message)
        self._told(message)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.create_task(_Session(self, reader, writer).run())
        self.connections += 1
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)


class _Session:
    """One client."""

    def __init__(
        self, exchanger: Exchanger, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._exchanger = exchanger
        self._reader = reader
        self._writer = writer
        self._tls = exchanger.implicit_tls
        self._transaction = _Transaction()

    async def run(self) -> None:
        try:
            await self._say("CONNECT")
            while line := await self._reader.readline():
                await self._obey(line.decode("utf-8", "replace").rstrip("\r\n"))
        except (_Gone, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writer.close()
            # After a handshake that failed Python 3.11 never says that it is closed.
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._writer.wait_closed()

    async def _obey(self, line: str) -> None:
        self._exchanger.commands.append(line)
        command = line.partition(" ")[0].upper()
        match command:
            case "EHLO":
                await self._say(command, self._greeting())
            case "HELO":
                await self._say(command, "250 exchanger.test")
            case "DATA":
                if (await self._say(command)).startswith("354"):
                    await self._take()
            case "STARTTLS":
                if (await self._say(command)).startswith("220"):
                    await self._writer.start_tls(self._exchanger.tls or throwaway_tls())
                    self._tls = True
            case _:
                if (await self._say(command)).startswith("2"):
                    self._note(command, line)

    def _greeting(self) -> str:
        offered = [e for e in self._exchanger.extensions if not (self._tls and e == "STARTTLS")]
        names = ["exchanger.test", *offered]
        return "\r\n".join([*(f"250-{name}" for name in names[:-1]), f"250 {names[-1]}"])

    def _note(self, command: str, line: str) -> None:
        path = _PATH.search(line)
        match command:
            case "MAIL" if path:
                self._transaction = _Transaction(path[1], line[path.end() :].strip())
            case "RCPT" if path:
                self._transaction.recipients.append(path[1])
            case "RSET":
                self._transaction = _Transaction()
            case "QUIT":
                raise _Gone
            case _:
                pass

    async def _take(self) -> None:
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise _Gone
            lines.append(line.removeprefix(b"."))
        if (await self._say("END")).startswith("250"):
            self._exchanger.keep(
                Received(
                    sender=self._transaction.sender,
                    recipients=tuple(self._transaction.recipients),
                    content=b"".join(lines),
                    tls=self._tls,
                    options=self._transaction.options,
                )
            )
        self._transaction = _Transaction()

    async def _say(self, command: str, usual: str = "") -> str:
        answer = self._exchanger.script.answer(command, usual)
        match answer:
            case script.DISCONNECT:
                raise _Gone
            case script.SILENCE:
                await self._reader.read()  # Until the client gives up.
                raise _Gone
            case _ if answer.startswith(script.AFTER):
                seconds, _, answer = answer.removeprefix(script.AFTER).partition(" ")
                await asyncio.sleep(float(seconds))
            case script.GARBLED:
                self._writer.write(b"220 Ready\r\n")
                await self._reader.read(1)
                self._writer.write(b"nonsense\r\n" * 10)
                await self._writer.drain()
                raise _Gone
            case _:
                pass
        self._writer.write(answer.encode() + b"\r\n")
        await self._writer.drain()
        return answer


@contextlib.contextmanager
def in_thread(exchanger: Exchanger) -> Iterator[Exchanger]:
    """Let it serve in an event loop of its own."""
    ready: Future[Callable[[], object]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_hold(exchanger, ready),), name="exchanger")
    thread.start()
    stop = ready.result()
    try:
        yield exchanger
    finally:
        stop()
        thread.join()


async def _hold(exchanger: Exchanger, ready: Future[Callable[[], object]]) -> None:
    over = asyncio.Event()
    stop = partial(asyncio.get_running_loop().call_soon_threadsafe, over.set)
    try:
        async with exchanger:
            ready.set_result(stop)
            await over.wait()
    except OSError as trouble:
        ready.set_exception(trouble)


async def _rehearse(options: argparse.Namespace) -> None:
    said: dict[str, list[str]] = {}
    for command, _, reply in (entry.partition("=") for entry in options.script):
        said.setdefault(command, []).append(reply)
    tls = throwaway_tls() if options.tls else None
    async with Exchanger(said, tls=tls, port=options.port, told=_tell) as exchanger:
        sys.stdout.write(f"listening on 127.0.0.1:{exchanger.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _tell(message: Received) -> None:
    shown = {**asdict(message), "content": message.content.decode("utf-8", "replace")}
    sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Listen until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m aimx.testing.exchanger",
        description="A mail exchanger on 127.0.0.1 that follows a script.",
    )
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--tls", action="store_true", help="offer STARTTLS")
    parser.add_argument("script", nargs="*", metavar="COMMAND=REPLY")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_rehearse(parser.parse_args()))


if __name__ == "__main__":
    main()
