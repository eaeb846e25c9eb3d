import array
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from aimx.channel import packets
from aimx.channel.packets import (
    LARGEST,
    MOST_DESCRIPTORS,
    VERSION,
    Channel,
    Kind,
    MalformedError,
    Packet,
    close_all,
    pair,
)

Ends = tuple[Channel, Channel]


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def header(payload: bytes, version: int = VERSION, kind: int = Kind.CONTROL) -> bytes:
    return struct.pack("!BBI", version, kind, len(payload)) + payload


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = pair(Kind.CONTROL)
    yield made
    for end in made:
        end.close()


@pytest.fixture
def raw() -> Iterator[tuple[socket.socket, Channel]]:
    """An end that can break the rules, and the end that must notice."""
    hostile, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel = Channel(ours, Kind.CONTROL)
    yield hostile, channel
    hostile.close()
    channel.close()


@pytest.mark.parametrize("size", [0, 1, 4096, 128 * 1024, 160 * 1024])
def test_a_payload_arrives_as_it_was_sent(ends: Ends, size: int) -> None:
    payload = os.urandom(size)

    ends[0].send(payload)

    assert ends[1].receive() == Packet(payload)


def test_what_was_sent_before_an_end_is_received_before_the_end(ends: Ends) -> None:
    ends[0].send(b"never read")
    for payload in (b"one", b"two"):
        ends[1].send(payload)
    ends[1].close()

    received = [ends[0].receive() for _ in range(3)]

    assert received == [Packet(b"one"), Packet(b"two"), None]


def test_packets_keep_their_borders_and_their_order(ends: Ends) -> None:
    for payload in (b"one", b"two"):
        ends[0].send(payload)

    assert [ends[1].receive(), ends[1].receive()] == [Packet(b"one"), Packet(b"two")]


def test_a_descriptor_arrives_and_is_not_inherited_further(ends: Ends) -> None:
    reading, writing = os.pipe()
    ends[0].send(b"take it", (writing,))

    packet = ends[1].receive()

    assert packet is not None
    (arrived,) = packet.descriptors
    assert not os.get_inheritable(arrived)
    os.write(arrived, b"hello")
    assert os.read(reading, 5) == b"hello"
    for descriptor in (reading, writing, arrived):
        os.close(descriptor)


def test_as_many_descriptors_as_the_kernel_passes_arrive(ends: Ends) -> None:
    ends[0].send(b"many", [0] * MOST_DESCRIPTORS)

    packet = ends[1].receive()

    assert packet is not None
    assert len(packet.descriptors) == MOST_DESCRIPTORS
    for descriptor in packet.descriptors:
        os.close(descriptor)


@pytest.mark.usefixtures("refusing_kernel")
def test_an_end_that_takes_no_descriptors_is_passed_none(ends: Ends) -> None:
    ends[1].take_no_descriptors()

    with pytest.raises(PermissionError):
        ends[0].send(b"with one", (0,))
    ends[0].send(b"without")
    ends[1].send(b"back", (0,))

    assert ends[1].receive() == Packet(b"without")
    answer = ends[0].receive()
    assert answer is not None
    assert len(answer.descriptors) == 1
    close_all(answer.descriptors)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("before", [[], [header(b"cut")[:-1]]], ids=["looked-at", "never-read"])
def test_on_an_old_kernel_nobody_stalls_an_end_that_takes_no_descriptors(
    raw: tuple[socket.socket, Channel],
    monkeypatch: pytest.MonkeyPatch,
    lingering: socket.socket,
    before: list[bytes],
) -> None:
    hostile, channel = raw
    monkeypatch.setattr(packets, "refuse_descriptors", lambda end: False)
    channel.take_no_descriptors()
    hostile.send(header(b"good"))
    for packet in before:
        hostile.send(packet)
    socket.send_fds(hostile, [header(b"with it")], [lingering.fileno()] * MOST_DESCRIPTORS)
    lingering.close()  # Now who closes what was passed is the last who has it.

    assert channel.receive() == Packet(b"good")
    with pytest.raises(MalformedError):
        channel.receive_now()
    channel.close()


def test_on_an_old_kernel_the_end_of_the_other_side_is_none(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "refuse_descriptors", lambda end: False)
    ends[0].take_no_descriptors()
    ends[0].send(b"never read")
    ends[1].send(b"last words")
    ends[1].close()

    assert [ends[0].receive() for _ in range(2)] == [Packet(b"last words"), None]


def test_the_end_of_the_other_side_is_none(ends: Ends) -> None:
    ends[0].send(b"last words")
    ends[0].close()

    assert ends[1].receive() == Packet(b"last words")
    assert ends[1].receive() is None


def test_the_end_of_a_side_that_had_not_read_everything_is_none_too(ends: Ends) -> None:
    ends[1].send(b"never read")
    ends[0].close()

    assert ends[1].receive() is None


def test_nothing_waiting_is_told_apart_from_the_end(ends: Ends) -> None:
    with pytest.raises(BlockingIOError):
        ends[1].receive_now()


def test_a_full_channel_says_so(ends: Ends) -> None:
    def fill() -> None:
        while True:
            ends[0].send_now(bytes(64 * 1024))

    with pytest.raises(BlockingIOError):
        fill()


def test_sending_to_nobody_is_a_connection_error(ends: Ends) -> None:
    ends[1].close()

    with pytest.raises(ConnectionError):
        ends[0].send(b"anybody?")


@pytest.mark.parametrize(
    ("payload", "descriptors"),
    [
        pytest.param(bytes(LARGEST + 1), 0, id="too-large"),
        pytest.param(b"", MOST_DESCRIPTORS + 1, id="too-many-descriptors"),
    ],
)
def test_what_fits_into_no_packet_is_not_sent(ends: Ends, payload: bytes, descriptors: int) -> None:
    with pytest.raises(ValueError, match="no packet"):
        ends[0].send(payload, [0] * descriptors)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x01", id="no-header"),
        pytest.param(header(b"x", version=VERSION + 1), id="another-version"),
        pytest.param(header(b"x", kind=Kind.PLACING), id="another-kind"),
        pytest.param(header(b"x", kind=77), id="no-kind"),
        pytest.param(header(b"abc")[:-1], id="shorter-than-announced"),
        pytest.param(header(b"abc") + b"d", id="longer-than-announced"),
        pytest.param(header(bytes(LARGEST + 1)), id="too-large"),
    ],
)
def test_a_packet_that_breaks_the_rules_is_malformed_and_leaves_no_descriptor(
    raw: tuple[socket.socket, Channel], packet: bytes
) -> None:
    hostile, channel = raw
    passed = os.memfd_create("passed")
    hostile.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    before = open_descriptors()
    socket.send_fds(hostile, [packet], [passed, passed])

    with pytest.raises(MalformedError):
        channel.receive()

    assert open_descriptors() == before
    os.close(passed)


def test_other_ancillary_data_is_no_descriptor(raw: tuple[socket.socket, Channel]) -> None:
    hostile, channel = raw
    credentials = struct.pack("3i", os.getpid(), os.getuid(), os.getgid())
    hostile.sendmsg([header(b"x")], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])

    assert channel.receive() == Packet(b"x")


def test_an_empty_packet_is_the_end(raw: tuple[socket.socket, Channel]) -> None:
    hostile, channel = raw
    passed = os.memfd_create("passed")
    before = open_descriptors()
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [passed]))
    hostile.sendmsg([b""], [rights])

    assert channel.receive() is None
    assert open_descriptors() == before
    os.close(passed)


def test_only_one_end_of_a_channel_is_taken_for_one() -> None:
    stream, other = socket.socketpair()

    with pytest.raises(MalformedError):
        Channel.of(stream.detach(), Kind.CONTROL)
    other.close()
