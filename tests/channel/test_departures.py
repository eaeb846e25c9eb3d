import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from aimx.channel.departures import Departed, Departing, departures
from aimx.channel.packets import MalformedError


@pytest.fixture
def pipe() -> Iterator[tuple[Departed, int]]:
    ours, theirs = departures()
    yield ours, theirs
    ours.close()
    os.close(theirs)


def test_all_who_left_are_read_at_once_and_no_second_time(pipe: tuple[Departed, int]) -> None:
    departed, theirs = pipe
    departing = Departing(theirs)
    for peer in ("192.0.2.1", "2001:db8::1", "192.0.2.1"):
        departing.tell(peer)

    assert departed.read() == ["192.0.2.1", "2001:db8::1", "192.0.2.1"]
    assert departed.read() == []


def test_there_is_room_for_all_clients_that_one_process_may_have(
    pipe: tuple[Departed, int],
) -> None:
    departed, theirs = pipe
    peers = [f"2001:db8:1111:2222:3333:4444:5555:{number:04x}" for number in range(3072)]
    departing = Departing(theirs)

    for peer in peers:
        departing.tell(peer)

    assert departed.read() == peers


def test_what_finds_no_room_is_said_when_there_is_some(pipe: tuple[Departed, int]) -> None:
    departed, theirs = pipe

    async def scene() -> None:
        with suppress(BlockingIOError):
            while True:
                os.write(theirs, b"192.0.2.9\n")
        departing = Departing(theirs)
        departing.tell("192.0.2.1")
        departing.tell("192.0.2.2")

        assert set(departed.read()) == {"192.0.2.9"}
        while not (heard := departed.read()):
            await asyncio.sleep(0)
        assert heard == ["192.0.2.1", "192.0.2.2"]
        departing.tell("192.0.2.3")
        assert departed.read() == ["192.0.2.3"]

    asyncio.run(scene())


@pytest.mark.parametrize("written", [b"192.0.2.1", b"192.0.2.1\n192.0.2.2"])
def test_a_line_that_does_not_end_is_malformed(pipe: tuple[Departed, int], written: bytes) -> None:
    departed, theirs = pipe
    os.write(theirs, written)

    with pytest.raises(MalformedError):
        departed.read()


def test_no_octets_are_anything_but_names_that_nobody_has(pipe: tuple[Departed, int]) -> None:
    departed, theirs = pipe
    os.write(theirs, b"\xff\x00\n\n")

    assert departed.read() == ["\xff\x00", ""]


def test_who_leaves_when_the_supervisor_is_gone_is_told_nobody() -> None:
    departed, theirs = departures()
    departed.close()

    Departing(theirs).tell("192.0.2.1")

    os.close(theirs)
