import asyncio
import errno
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from aimx.processes import listening, rota
from aimx.processes.accept import Acceptance
from aimx.processes.crew import Crew
from aimx.processes.listening import PAUSE
from aimx.processes.worker import Worker, WorkerGoneError
from aimx.smtp.replies import SERVER_BUSY, TOO_MANY_CONNECTIONS
from aimx.snapshot import Limits

GONE = WorkerGoneError("inbound is gone")
STUCK = OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")


@dataclass(eq=False)
class Inbound:
    """As much of a worker as is given clients, which it greets at once."""

    connections: Counter[str] = field(default_factory=Counter)
    obstacle: Exception | None = None
    departed: list[list[str]] = field(default_factory=list)  # Each time that it is asked.
    broke: str = ""

    def post(self, message: object, descriptors: Sequence[int]) -> None:
        if self.obstacle is not None:
            raise self.obstacle
        with socket.socket(fileno=descriptors[0]) as client:
            client.sendall(b"220 hello\r\n")
            client.detach()

    def left(self) -> list[str]:
        return self.departed.pop(0) if self.departed else []

    def break_off(self, reason: str) -> None:
        self.broke = reason


@dataclass
class Inbounds:
    """As much of a crew as is asked for."""

    workers: list[Inbound]

    def of(self, role: str) -> list[Inbound]:
        return [*self.workers]


def acceptance(*peers: str, by: Sequence[Inbound] = (), most: int = 10) -> Acceptance:
    made = Acceptance(cast("Crew", Inbounds([*by])), lambda: Limits(connections=most))
    for peer in peers:
        made.gate.enter(peer)
    return made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


async def heard(client: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, 1000)


def come(listener: socket.socket) -> socket.socket:
    client = socket.create_connection(listener.getsockname())
    client.setblocking(False)
    return client


def run(scene: Callable[[], Awaitable[None]]) -> None:
    failures: list[dict[str, Any]] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, it: failures.append(it))
        async with asyncio.timeout(30):
            await scene()

    asyncio.run(bounded())
    assert not failures


def test_who_left_is_counted_out(listener: socket.socket) -> None:
    async def scene() -> None:
        worker = Inbound()
        accepting = acceptance("192.0.2.1", by=[worker])
        accepting.listen(listener)
        with come(listener) as first, come(listener) as second:
            await heard(first)
            await heard(second)
        worker.departed = [["127.0.0.1"]]

        accepting.count_out()

        assert worker.connections == {"127.0.0.1": 1}
        assert accepting.gate.inside == {"127.0.0.1": 1, "192.0.2.1": 1}
        accepting.close()

    run(scene)


def test_nobody_is_refused_for_who_has_left_a_full_process(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rota, "open_files", lambda: 3)  # One client.

    async def scene() -> None:
        worker = Inbound()
        accepting = acceptance(by=[worker])
        accepting.listen(listener)
        with come(listener) as first:
            assert await heard(first) == b"220 hello\r\n"
        # Nothing when somebody comes, and then the one who has left meanwhile.
        worker.departed = [[], ["127.0.0.1"], []]
        with come(listener) as second:
            assert await heard(second) == b"220 hello\r\n"
        with come(listener) as third:
            assert await heard(third) == SERVER_BUSY.encoded
        accepting.close()

    run(scene)


@pytest.mark.parametrize(
    ("asked", "most"),
    [pytest.param(1, 10, id="before"), pytest.param(2, 1, id="while-others-are-let-in")],
)
def test_who_hangs_up_and_comes_again_is_counted_once(
    listener: socket.socket, asked: int, most: int
) -> None:
    async def scene() -> None:
        worker = Inbound()
        accepting = acceptance(by=[worker], most=most)
        accepting.listen(listener)
        with come(listener) as first:
            await heard(first)
        worker.departed = [*([[]] * (asked - 1)), ["127.0.0.1"]]

        with come(listener) as again:
            assert await heard(again) == b"220 hello\r\n"

        assert accepting.gate.inside == {"127.0.0.1": 1}
        accepting.close()

    run(scene)


@pytest.mark.parametrize("peer", ["192.0.2.2", "nonsense", ""])
def test_a_worker_that_counts_out_whom_it_was_not_given_is_not_believed(
    listener: socket.socket, peer: str
) -> None:
    async def scene() -> None:
        worker = Inbound()
        accepting = acceptance("192.0.2.2", by=[worker])
        accepting.listen(listener)
        with come(listener) as client:
            await heard(client)
        worker.departed = [[peer]]

        accepting.count_out()

        assert worker.broke == "a worker has lost a client that it was not given"
        assert accepting.gate.inside == {"127.0.0.1": 1, "192.0.2.2": 1}
        accepting.lost(cast("Worker", worker))
        assert accepting.gate.inside == {"192.0.2.2": 1}
        accepting.close()

    run(scene)


def test_all_who_wait_are_let_in_and_counted(listener: socket.socket) -> None:
    async def scene() -> None:
        worker = Inbound()
        clients = [come(listener) for _ in range(3)]
        accepting = acceptance(by=[worker])

        accepting.listen(listener)

        assert [await heard(client) for client in clients] == [b"220 hello\r\n"] * 3
        inside = Counter({"127.0.0.1": 3})
        assert (worker.connections, accepting.gate.inside) == (inside, inside)
        accepting.close()
        for client in clients:
            client.close()

    run(scene)


def test_whom_a_dead_worker_cannot_take_another_takes(listener: socket.socket) -> None:
    async def scene() -> None:
        dead, alive = Inbound(Counter({"192.0.2.1": 1}), GONE), Inbound()
        accepting = acceptance(by=[dead, alive])
        accepting.listen(listener)

        with come(listener) as client:
            assert await heard(client) == b"220 hello\r\n"

        assert (dead.connections, alive.connections) == ({"192.0.2.1": 1}, {"127.0.0.1": 1})
        accepting.close()

    run(scene)


@pytest.mark.parametrize(
    ("workers", "most", "reply"),
    [
        pytest.param([], 1, SERVER_BUSY, id="no-worker"),
        pytest.param([Inbound(obstacle=GONE)], 1, SERVER_BUSY, id="none-alive"),
        pytest.param([Inbound(obstacle=STUCK)], 1, SERVER_BUSY, id="too-many-on-their-way"),
        pytest.param([Inbound()], 0, TOO_MANY_CONNECTIONS, id="no-place"),
    ],
)
def test_who_is_not_let_in_is_told_why_and_not_counted(listener, workers, most, reply):
    async def scene() -> None:
        accepting = acceptance(by=workers, most=most)
        accepting.listen(listener)

        with come(listener) as client:
            assert await heard(client) == reply.encoded
            assert await heard(client) == b""

        assert accepting.gate.inside == {}
        accepting.close()

    run(scene)


@contextmanager
def no_descriptor() -> Iterator[None]:
    """There is none left for whatever is opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Told(list[str]):
    """What the log would have got."""

    def error(self, event: str, **_: object) -> None:
        self.append(event)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    lines = Told()
    monkeypatch.setattr(listening, "log", lines)
    return lines


async def until_it_rests(accepting: Acceptance, listener: socket.socket, told: Told) -> None:
    """It has met somebody for whom there is no descriptor."""
    with no_descriptor():
        accepting.listen(listener)
        while not told:
            await asyncio.sleep(0)
    assert told == ["cannot accept connections"]


def test_without_descriptors_who_comes_is_let_in_later(listener: socket.socket, told: Told) -> None:
    async def scene() -> None:
        accepting = acceptance(by=[Inbound()])
        with come(listener) as client:
            await until_it_rests(accepting, listener, told)

            assert await heard(client) == b"220 hello\r\n"
        accepting.close()

    run(scene)


def test_who_waits_for_that_is_left_with_the_listener(listener: socket.socket, told: Told) -> None:
    async def scene() -> None:
        worker = Inbound()
        accepting = acceptance(by=[worker])
        with come(listener) as client:
            await until_it_rests(accepting, listener, told)

            accepting.leave(listener)

            with pytest.raises(ConnectionResetError):
                await heard(client)
        await asyncio.sleep(PAUSE)  # By then a rest that began before would be over.
        assert worker.connections == {}

    run(scene)
