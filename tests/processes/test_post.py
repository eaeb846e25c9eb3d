"""What a worker does when a generation comes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from aimx.channel.control import (
    FROM_INBOUND,
    TO_INBOUND,
    Commit,
    Committed,
    Drop,
    Prepare,
    Prepared,
    Refused,
)
from aimx.channel.packets import Channel, Kind, close_all, pair
from aimx.channel.sealed import sealed
from aimx.placing.client import PlacingClient
from aimx.processes.post import Post, UnloadableError
from aimx.snapshot import Snapshot, SnapshotId


@dataclass
class Loads:
    """Gives the generation's number with its secrets, once it may."""

    may: threading.Event = field(default_factory=threading.Event)

    def __call__(self, snapshot: Snapshot, secrets: bytes) -> tuple[int, bytes]:
        assert self.may.wait(20)
        if secrets == b"unusable":
            raise UnloadableError("the key is unusable")
        return snapshot.id.generation, secrets


@dataclass
class Supervisor:
    """The other end."""

    channel: Channel

    def prepare(self, generation: int, secrets: bytes = b"key") -> None:
        snapshot = Snapshot(SnapshotId(generation), "mx.example.com", ("example.com",), {})
        descriptors = [sealed(snapshot.to_bytes()), sealed(secrets)]
        self.channel.send(TO_INBOUND.encode(Prepare(generation)), descriptors)
        close_all(descriptors)

    def say(self, message: object) -> None:
        self.channel.send(TO_INBOUND.encode(message))

    async def hear(self) -> object:
        packet = await asyncio.to_thread(self.channel.receive)
        assert packet is not None
        return FROM_INBOUND.decode(packet.payload)


Scenario = Callable[[Supervisor, Post, Loads], Awaitable[None]]


@pytest.fixture
def run() -> Iterator[Callable[[Scenario], None]]:
    async def bounded(scenario: Scenario) -> None:
        ours, theirs = pair(Kind.CONTROL)
        loads = Loads()
        post: Post[tuple[int, bytes]] = Post(
            ours,
            speaks=FROM_INBOUND,
            understands=TO_INBOUND,
            load=loads,
            placements=PlacingClient(-1),
            heard=lambda message, descriptors: None,
        )
        with closing(theirs):
            async with asyncio.timeout(30):
                await scenario(Supervisor(theirs), post, loads)
        await post.gone.wait()

    return lambda scenario: asyncio.run(bounded(scenario))


def test_a_generation_is_loaded_aside_and_swapped_to(run):
    async def scenario(supervisor: Supervisor, post: Post, loads: Loads) -> None:
        loads.may.set()
        supervisor.prepare(7)
        assert await supervisor.hear() == Prepared()
        supervisor.say(Commit())
        assert await supervisor.hear() == Committed()
        assert post.current == (7, b"key")

    run(scenario)


def test_work_goes_on_while_a_generation_is_loaded(run):
    async def scenario(supervisor: Supervisor, post: Post, loads: Loads) -> None:
        supervisor.prepare(7)
        for _ in range(100):
            await asyncio.sleep(0)  # With the loop held up this would not come back.
        loads.may.set()
        assert await supervisor.hear() == Prepared()

    run(scenario)


def test_what_cannot_be_loaded_is_refused(run):
    async def scenario(supervisor: Supervisor, post: Post, loads: Loads) -> None:
        loads.may.set()
        supervisor.prepare(7, b"unusable")
        assert await supervisor.hear() == Refused("the key is unusable")

    run(scenario)


@pytest.mark.parametrize("secrets", [b"key", b"unusable"])
def test_what_was_dropped_while_it_was_loaded_is_not_spoken_of(run, secrets):
    async def scenario(supervisor: Supervisor, post: Post, loads: Loads) -> None:
        supervisor.prepare(7, secrets)
        supervisor.say(Drop())
        supervisor.prepare(8)
        for _ in range(5):
            await asyncio.sleep(0)  # All three have arrived, and are read in one turn.
        loads.may.set()
        assert await supervisor.hear() == Prepared()
        supervisor.say(Commit())
        assert await supervisor.hear() == Committed()
        assert post.current == (8, b"key")

    run(scenario)


def test_a_generation_without_its_parts_ends_the_worker(run):
    async def scenario(supervisor: Supervisor, post: Post, loads: Loads) -> None:
        supervisor.say(Prepare(7))
        await post.gone.wait()

    run(scenario)
