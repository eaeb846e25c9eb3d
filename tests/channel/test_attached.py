import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator

import pytest

from aimx.channel.attached import Attached
from aimx.channel.packets import LARGEST, Channel, Kind, MalformedError, Packet, pair


class Listener:
    """Keeps what an attached channel calls with."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[Packet] = asyncio.Queue()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def attach(self, channel: Channel, room: int = 1 << 20) -> Attached:
        return Attached(channel, self.packets.put_nowait, self.end.set_result, room)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def test_each_packet_is_called_with_in_order() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours)
        for number in range(200):
            theirs.send(b"%d" % number)

        heard = [(await listener.packets.get()).payload for _ in range(200)]

        assert heard == [b"%d" % number for number in range(200)]
        attached.close()
        theirs.close()

    run(scenario)


def test_the_end_is_told_once_and_sending_is_refused_afterwards() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours)
        theirs.close()

        assert await listener.end == "the other end closed it"
        with pytest.raises(ConnectionError):
            await attached.send(b"anybody?")

    run(scenario)


def test_a_receiver_that_finds_a_packet_malformed_ends_the_channel() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def refuse(packet: Packet) -> None:
            raise MalformedError(f"{packet.payload!r} is no message")

        Attached(ours, refuse, end.set_result)
        theirs.send(b"nonsense")

        assert await end == "b'nonsense' is no message"
        assert theirs.receive() is None
        theirs.close()

    run(scenario)


def test_whoever_sends_waits_while_too_much_is_queued_and_nothing_is_lost() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours, room=100_000)
        payloads = [bytes([number % 256]) * 60_000 for number in range(200)]

        async def send_all() -> None:
            for payload in payloads:
                await attached.send(payload)

        sending = asyncio.create_task(send_all())
        await asyncio.sleep(0)
        assert not sending.done()
        heard = await asyncio.to_thread(
            lambda: [packet.payload for _ in payloads if (packet := theirs.receive())]
        )

        assert heard == payloads
        await sending
        attached.close()
        theirs.close()

    run(scenario)


def test_what_fits_into_no_packet_is_refused_also_behind_others_and_holds_up_none() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        attached = Listener().attach(ours, room=1 << 30)
        payload, sent = bytes(200_000), 100
        for _ in range(sent):
            await attached.send(payload)

        with pytest.raises(ValueError, match="no packet"):
            await attached.send(bytes(LARGEST + 1))

        await attached.send(b"last")
        for _ in range(sent):
            assert await asyncio.to_thread(theirs.receive) == Packet(payload)
        assert await asyncio.to_thread(theirs.receive) == Packet(b"last")
        attached.close()
        theirs.close()

    run(scenario)


def test_a_queued_descriptor_survives_that_its_sender_closes_it() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours)
        full = 0
        try:
            while True:
                ours.send_now(bytes(60_000))
                full += 1
        except BlockingIOError:
            pass
        reading, writing = os.pipe()
        await attached.send(b"with a descriptor", (writing,))
        os.close(writing)

        packets = await asyncio.to_thread(lambda: [theirs.receive() for _ in range(full + 1)])

        last = packets[-1]
        assert last is not None
        os.write(last.descriptors[0], b"still there")
        assert os.read(reading, 11) == b"still there"
        os.close(last.descriptors[0])
        os.close(reading)
        attached.close()
        theirs.close()

    run(scenario)


def test_who_waits_for_room_is_told_when_the_channel_ends() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours, room=1)

        async def send_forever() -> None:
            while True:
                await attached.send(bytes(60_000))

        sending = asyncio.create_task(send_forever())
        await asyncio.sleep(0)
        theirs.close()

        with pytest.raises(ConnectionError):
            await sending

    run(scenario)


def test_closing_tells_nobody() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        attached = listener.attach(ours)

        attached.close()
        attached.close()
        await asyncio.sleep(0)

        assert not listener.end.done()
        assert theirs.receive() is None
        theirs.close()

    run(scenario)


def test_what_one_turn_sends_together_goes_out_at_its_end_in_order() -> None:
    async def scenario() -> None:
        with attached() as (ours, theirs):
            await ours.send_together(b"first")
            await ours.send_together(b"second")
            assert received(theirs) == []

            await asyncio.sleep(0)

            assert received(theirs) == [b"first", b"second"]

    run(scenario)


def test_a_turn_that_makes_much_does_not_keep_the_other_side_waiting() -> None:
    async def scenario() -> None:
        with attached() as (ours, theirs):
            for number in range(20):
                await ours.send_together(b"%d" % number)

            assert received(theirs) == [b"%d" % number for number in range(16)]
            await asyncio.sleep(0)
            assert received(theirs) == [b"%d" % number for number in range(16, 20)]

    run(scenario)


def test_what_is_sent_at_once_overtakes_nothing() -> None:
    async def scenario() -> None:
        with attached() as (ours, theirs):
            await ours.send_together(b"first")

            await ours.send(b"second")

            assert received(theirs) == [b"first", b"second"]

    run(scenario)


def test_what_is_sent_together_waits_for_a_reader_and_nothing_is_lost() -> None:
    async def scenario() -> None:
        payloads = [bytes([number]) * 60_000 for number in range(50)]
        with attached() as (ours, theirs):
            for payload in payloads:
                await ours.send_together(payload)
            await asyncio.sleep(0)

            heard = [await asyncio.to_thread(theirs.receive) for _ in payloads]

        assert [packet and packet.payload for packet in heard] == payloads

    run(scenario)


def test_an_end_that_is_met_at_the_end_of_a_turn_is_told() -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        sender = listener.attach(ours)
        await sender.send_together(b"anybody?")
        theirs.close()

        assert await listener.end
        with pytest.raises(ConnectionError):
            await sender.send_together(b"anybody?")

    run(scenario)


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda ours: ours.send(b"now"), id="what-is-sent-at-once"),
        pytest.param(lambda ours: ours.send_together(b"one more"), id="one-more-of-many"),
    ],
)
def test_an_end_that_is_met_in_sending_is_raised_there_and_told_afterwards(
    send: Callable[[Attached], Awaitable[None]],
) -> None:
    async def scenario() -> None:
        ours, theirs = pair(Kind.CONTROL)
        listener = Listener()
        sender = listener.attach(ours)
        for _ in range(7):
            await sender.send_together(b"anybody?")
        theirs.close()

        with pytest.raises(ConnectionError):
            await send(sender)

        assert not listener.end.done()
        assert await listener.end

    run(scenario)


def test_a_channel_that_is_closed_drops_what_was_to_go_out() -> None:
    async def scenario() -> None:
        with attached() as (ours, theirs):
            await ours.send_together(b"never")

            ours.close()
            await asyncio.sleep(0)

            assert theirs.receive_now() is None

    run(scenario)


@contextlib.contextmanager
def attached() -> Iterator[tuple[Attached, Channel]]:
    """One that sends, and the end where that arrives."""
    ours, theirs = pair(Kind.CONTROL)
    sender = Listener().attach(ours)
    try:
        yield sender, theirs
    finally:
        sender.close()
        theirs.close()


def received(channel: Channel) -> list[bytes]:
    """What lies in it now."""
    found = []
    try:
        while packet := channel.receive_now():
            found.append(packet.payload)
    except BlockingIOError:
        pass
    return found
