import asyncio
import contextlib
import os
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aimx.channel.frames import pack_replies, unpack_request
from aimx.channel.packets import Channel, Kind, Packet, close_all, pair
from aimx.channel.placing import Folder, Opening, Outcome, Reply
from aimx.placing.client import NotPlaced, Opened, Placed, Placement, PlacingClient

Scenario = Callable[[PlacingClient, Channel], Awaitable[None]]


@dataclass(frozen=True)
class File:
    name: str
    content: bytes


def placement(rest: bytes = b"rest", *attachments: File) -> Placement:
    return Placement("a.example", "inbox", "info", 1000, "2026-hello", rest, attachments)


def number(packet: Packet | None) -> int:
    assert packet is not None
    return unpack_request(packet.payload, len(packet.descriptors)).number


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario with a client and the placer's end of its channel."""
    spool = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

    async def bounded(scenario: Scenario) -> None:
        ours, theirs = pair(Kind.PLACING)
        client = PlacingClient(spool)
        client.connect(ours)
        with contextlib.closing(theirs), contextlib.closing(client):
            async with asyncio.timeout(30):
                await scenario(client, theirs)

    def runner(scenario: Scenario) -> None:
        asyncio.run(bounded(scenario))
        os.close(spool)
        assert list(tmp_path.iterdir()) == []

    return runner


@pytest.mark.parametrize(
    ("outcome", "text", "told"),
    [
        (Outcome.PLACED, "stem", Placed("stem")),
        (Outcome.DUPLICATE, "stem", Placed("stem", duplicate=True)),
        (Outcome.FAILED, "why", NotPlaced("why")),
        (Outcome.FULL, "why", NotPlaced("why", full=True)),
        (Outcome.AWAY, "why", NotPlaced("why", away=True)),
        (Outcome.CHANGED, "why", NotPlaced("why", changed=True)),
    ],
)
def test_whoever_asks_is_told_the_outcome(run, outcome, text, told):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = asyncio.create_task(client.place(placement()))
        packet = await asyncio.to_thread(placer.receive)
        placer.send(pack_replies([Reply(number(packet), outcome, text)]))

        assert await asking == told

    run(scenario)


def test_whoever_opens_gets_the_descriptor(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        opening = Opening(0, Folder.SENT, "a.example", "info", 1000, b"1" * 32)
        asking = asyncio.create_task(client.open(opening))
        packet = await asyncio.to_thread(placer.receive)
        with open(os.devnull, "rb") as lent:
            answer = pack_replies([Reply(number(packet), Outcome.OPENED, "stem")])
            placer.send(answer, [lent.fileno()])

            opened = await asking

            assert isinstance(opened, Opened)
            assert opened.stem == "stem"
            assert os.path.samestat(os.fstat(opened.descriptor), os.fstat(lent.fileno()))
        os.close(opened.descriptor)

    run(scenario)


def test_whoever_opens_learns_that_there_is_no_placer(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        client.close()

        told = await client.open(Opening(0, Folder.SENT, "a.example", "info", 1000, b"1" * 32))

        assert told == NotPlaced("the placer is being restarted")

    run(scenario)


def test_replies_find_who_asked_in_any_order_and_any_packing(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = [asyncio.create_task(client.place(placement(b"%d" % n))) for n in range(20)]
        packets = [await asyncio.to_thread(placer.receive) for _ in asking]
        replies = [
            Reply(request.number, Outcome.PLACED, f"for {request.rest!r}")
            for packet in packets
            if packet and (request := unpack_request(packet.payload, 0))
        ]
        placer.send(pack_replies(reversed(replies[:15])))
        placer.send(pack_replies(replies[15:]))

        assert await asyncio.gather(*asking) == [Placed(f"for {b'%d' % n!r}") for n in range(20)]

    run(scenario)


def test_large_content_and_attachments_come_as_read_only_descriptors(run):
    large = os.urandom(200_000)

    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = asyncio.create_task(client.place(placement(large, File("a.txt", b"attached"))))
        packet = await asyncio.to_thread(placer.receive)
        assert packet is not None
        request = unpack_request(packet.payload, 2)
        held = [os.pread(descriptor, 1 << 20, 0) for descriptor in packet.descriptors]

        assert (request.rest, request.attachments) == (None, ("a.txt",))
        assert held == [large, b"attached"]
        for descriptor in packet.descriptors:
            assert os.fstat(descriptor).st_nlink == 0
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(descriptor, b"EVIL")
            os.close(descriptor)
        placer.send(pack_replies([Reply(request.number, Outcome.PLACED, "stem")]))
        assert await asking == Placed("stem")

    run(scenario)


def test_what_is_in_flight_when_the_placer_dies_is_not_placed_nor_what_follows(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = [asyncio.create_task(client.place(placement())) for _ in range(3)]
        await asyncio.to_thread(placer.receive)
        placer.close()

        told = await asyncio.gather(*asking)
        assert [type(each) for each in told] == [NotPlaced] * 3
        assert await client.place(placement()) == NotPlaced("the placer is being restarted")

    run(scenario)


def test_a_new_channel_is_used_from_when_it_is_handed_over(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        before = asyncio.create_task(client.place(placement()))
        await asyncio.to_thread(placer.receive)
        ours, theirs = pair(Kind.PLACING)

        client.connect(ours)
        after = asyncio.create_task(client.place(placement()))
        packet = await asyncio.to_thread(theirs.receive)
        theirs.send(pack_replies([Reply(number(packet), Outcome.PLACED, "stem")]))

        assert isinstance(await before, NotPlaced)
        assert await after == Placed("stem")
        assert placer.receive() is None
        theirs.close()

    run(scenario)


def test_a_session_that_gives_up_does_not_disturb_the_others(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        given_up = asyncio.create_task(client.place(placement()))
        first = number(await asyncio.to_thread(placer.receive))
        given_up.cancel()
        asking = asyncio.create_task(client.place(placement()))
        second = number(await asyncio.to_thread(placer.receive))
        placer.send(pack_replies([Reply(n, Outcome.PLACED, "stem") for n in (first, second)]))

        assert await asking == Placed("stem")

    run(scenario)


def test_a_session_that_gives_up_while_it_spools_leaves_nothing_open(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        before = len(os.listdir("/proc/self/fd"))
        asking = asyncio.create_task(client.place(placement(b"", File("x", bytes(1 << 22)))))
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await asyncio.get_running_loop().shutdown_default_executor()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert len(os.listdir("/proc/self/fd")) == before

    run(scenario)


def test_a_placer_that_answers_what_nobody_asked_is_left(run):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = asyncio.create_task(client.place(placement()))
        await asyncio.to_thread(placer.receive)
        placer.send(pack_replies([Reply(77, Outcome.PLACED, "stem")]))

        assert isinstance(await asking, NotPlaced)
        assert placer.receive() is None

    run(scenario)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "x" * 300])
def test_a_name_that_the_placer_would_refuse_is_not_sent(run, name):
    async def scenario(client: PlacingClient, placer: Channel) -> None:
        told = await client.place(placement(b"", File(name, b"x")))

        assert isinstance(told, NotPlaced)
        with pytest.raises(BlockingIOError):
            placer.receive_now()

    run(scenario)


def test_a_spool_that_cannot_be_written_is_a_temporary_failure(tmp_path):
    async def scenario() -> None:
        ours, theirs = pair(Kind.PLACING)
        client = PlacingClient(os.open(os.devnull, os.O_RDONLY))
        client.connect(ours)

        told = await client.place(placement(bytes(200_000)))

        assert isinstance(told, NotPlaced)
        assert "spool" in told.reason
        client.close()
        theirs.close()

    asyncio.run(scenario())


@pytest.fixture
def few_descriptors():
    """As many as a thousand on their way need, and what takes them in."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2_500, limits[1]), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_many_attachments_at_once_wait_for_each_other(run, few_descriptors):
    files = [File(f"file-{number}", b"content") for number in range(200)]

    async def scenario(client: PlacingClient, placer: Channel) -> None:
        asking = [asyncio.create_task(client.place(placement(b"", *files))) for _ in range(20)]
        for _ in asking:
            packet = await asyncio.to_thread(placer.receive)
            close_all(packet.descriptors)
            placer.send(pack_replies([Reply(number(packet), Outcome.PLACED, "stem")]))

        assert await asyncio.gather(*asking) == [Placed("stem")] * 20

    run(scenario)
