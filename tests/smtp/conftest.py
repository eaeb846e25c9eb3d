"""A server on a real socket, with everything behind it a fake of ours."""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aimx.channel.room import Room
from aimx.smtp.greeter import Greeter
from aimx.smtp.replies import OK, Reply
from aimx.smtp.service import Received, Service
from aimx.snapshot import Limits, Route, Snapshot, SnapshotId
from aimx.testing.certificate import throwaway

HOSTNAME = "mx.example.com"
LIMITS = Limits()
PATIENCE = 20.0  # Seconds until a test that hangs is said to hang.


def route(address: str, uid: int | None = 1000) -> Route:
    local, _, domain = address.partition("@")
    return Route(address, domain, "catchall" if local == "*" else local, uid)


def snapshot(limits: Limits = LIMITS, generation: int = 1) -> Snapshot:
    addresses = ["info@example.com", "postmaster@example.com", "*@agents.example"]
    routes = {address: route(address) for address in addresses}
    routes["ownerless@example.com"] = route("ownerless@example.com", uid=None)
    routes["grüße@xn--bcher-kva.example"] = route("grüße@xn--bcher-kva.example")
    domains = ("example.com", "agents.example", "xn--bcher-kva.example")
    return Snapshot(SnapshotId(generation), HOSTNAME, domains, routes, limits=limits)


def constant(said: str) -> str:
    """Without what each reply has for itself alone."""
    return re.sub(r"\(reference [0-9a-f]{16}\)", "(reference ...)", said)


@dataclass
class Client:
    """Speaks and listens in bytes; every wait has an end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[str] = field(default_factory=list)  # Each line as it came.

    def say(self, sent: bytes) -> None:
        self.writer.write(sent)

    async def line(self) -> str:
        """The next line of a reply; empty where the server has hung up."""
        async with asyncio.timeout(PATIENCE):
            self.heard.append((await self.reader.readline()).decode().removesuffix("\r\n"))
        return constant(self.heard[-1])

    async def reply(self) -> str:
        """The next reply, its lines joined by line feeds."""
        lines = [await self.line()]
        while lines[-1][3:4] == "-":
            lines.append(await self.line())
        return "\n".join(lines)

    async def ask(self, command: bytes) -> str:
        self.say(command + b"\r\n")
        return await self.reply()

    async def rest(self) -> list[str]:
        """Everything until the server hangs up."""
        async with asyncio.timeout(PATIENCE):
            return constant((await self.reader.read()).decode()).splitlines()

    async def begin(self, *recipients: bytes) -> None:
        """Up to the 354 of a message from nobody in particular."""
        commands = [b"EHLO client.example.org", b"MAIL FROM:<a@example.org>"]
        commands += [b"RCPT TO:<%s>" % whom for whom in recipients or [b"info@example.com"]]
        for command in commands:
            assert (await self.ask(command)).startswith("250")
        assert (await self.ask(b"DATA")).startswith("354")

    async def encrypt(self, context: ssl.SSLContext) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.writer.start_tls(context, server_hostname=HOSTNAME)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(PATIENCE):
                await self.writer.wait_closed()


@dataclass
class Server:
    """What a test sees of the server that it runs."""

    snapshot: Snapshot
    tls: ssl.SSLContext | None
    memory: Room = field(default_factory=lambda: Room(1 << 30))
    receive: Callable[[Received], Awaitable[Reply]] | None = None  # None: keep and say OK.
    foreseen: list[Received] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    port: int = 0
    greeter: Greeter = field(init=False)

    @asynccontextmanager
    async def client(self, *, greeted: bool = True) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        if greeted:
            assert await client.reply() == f"220 {HOSTNAME} ESMTP aimx"
        try:
            yield client
        finally:
            await client.close()

    async def keep(self, received: Received) -> Reply:
        if self.receive is not None:
            return await self.receive(received)
        self.received.append(received)
        return OK

    async def foresee(self, received: Received) -> None:
        self.foreseen.append(received)

    @property
    def contents(self) -> list[bytes]:
        return [received.incoming.content for received in self.received]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def serve(spool: int, server_context: ssl.SSLContext):
    """`async with serve(...) as server`: one that runs until the block ends."""

    @asynccontextmanager
    async def serving(
        limits: Limits = LIMITS, *, tls: bool = True, **settings: object
    ) -> AsyncIterator[Server]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.setblocking(False)
        server = Server(snapshot(limits), server_context if tls else None, **settings)
        server.port = listener.getsockname()[1]
        server.greeter = Greeter(
            Service(
                current=lambda: server.snapshot,
                tls=lambda: server.tls,
                receive=server.keep,
                closed=server.closed.append,
                spool=spool,
                memory=server.memory,
                foresee=server.foresee,
            )
        )
        accepting = asyncio.create_task(accept(listener, server.greeter))
        try:
            yield server
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()
            async with asyncio.timeout(PATIENCE):
                await server.greeter.drain()

    return serving


async def accept(listener: socket.socket, greeter: Greeter) -> None:
    while True:
        connection, peer = await asyncio.get_running_loop().sock_accept(listener)
        greeter.adopt(connection, peer[0])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a chain of one, and its key."""
    path = tmp_path_factory.mktemp("tls") / "chain.pem"
    path.write_bytes(throwaway(HOSTNAME))
    return path


@pytest.fixture(scope="session")
def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="session")
def client_context(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))
