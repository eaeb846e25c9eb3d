"""A channel that an event loop serves: it calls with each packet, and queues in bounds."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence

from aimx.channel.packets import Channel, MalformedError, Packet, close_all, require_fits

_ROOM = 4 * 1024 * 1024  # Octets that may queue here before `send` waits.
_PACKET_COST = 1024  # What a packet counts beside its payload.
_PACKETS_A_TURN = 64  # Then the rest of the loop has its turn.
_TOGETHER = 8  # Packets: with more at once, the other end would wait for the last of them.


class Attached:
    """Owns the channel, in the loop that runs when it is made.

    `received` gets each packet, and its descriptors to close; a `MalformedError` out of it closes
    the channel. `ended` is called once, with why, unless `close` came first; by the loop, and never
    while somebody sends.
    """

    def __init__(
        self,
        channel: Channel,
        received: Callable[[Packet], None],
        ended: Callable[[str], None],
        room: int = _ROOM,
    ) -> None:
        self._channel = channel
        self._received = received
        self._ended = ended
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Packet] = deque()
        self._queued = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        # The other side has to read before more goes out. Else what is queued goes out with the
        # end of this turn of the loop.
        self._awaits_writable = False
        self._closed = False
        self._loop.add_reader(channel.fileno(), self._read)

    async def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send or queue, after waiting while too much is queued. The descriptors stay the caller's.

        Returning does not say that the other side has read it. A `ConnectionError` says that the
        channel has ended.
        """
        await self._have_room()
        self.post(payload, descriptors)

    async def send_together(self, payload: bytes) -> None:
        """`send`, with whatever else this turn of the loop sends so: the other side is woken once.

        An end of the channel that is met later is told by `ended` alone.
        """
        await self._have_room()
        self._require(payload)
        if not self._queue:
            self._loop.call_soon(self._write)
        self._enqueue(payload)
        if len(self._queue) == _TOGETHER:
            self._flush()

    def post(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """`send`, without waiting for room: for what is small and must be said.

        A `ValueError` says that it fits into no packet.
        """
        self._require(payload, descriptors)
        if self._queue and not self._awaits_writable:
            self._flush()  # What is to go out together was sent before.
        if self._awaits_writable or not self._sent(Packet(payload, tuple(descriptors))):
            self._enqueue(payload, descriptors)
            self._watch_writable()

    def close(self) -> None:
        """Close the channel; what is queued is dropped, and who waits in `send` is told."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        for packet in self._queue:
            close_all(packet.descriptors)
        self._queue.clear()
        self._awaits_writable = False
        self._has_room.set()

    async def _have_room(self) -> None:
        while not self._closed and self._queued >= self._room:
            self._has_room.clear()
            await self._has_room.wait()

    def _require(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        if self._closed:
            raise ConnectionResetError("the channel has ended")
        require_fits(payload, descriptors)

    def _enqueue(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        copies = tuple(os.dup(descriptor) for descriptor in descriptors)
        self._queue.append(Packet(payload, copies))
        self._queued += len(payload) + _PACKET_COST

    def _sent(self, packet: Packet) -> bool:
        try:
            self._channel.send_now(*packet)
        except BlockingIOError:
            return False
        return True

    def _write(self) -> None:
        try:
            self._flush()
        except OSError as failure:
            self._end(f"the other end is gone ({failure.strerror})")

    def _flush(self) -> None:
        """Send what is queued, as far as the other side has read."""
        while self._queue and self._sent(self._queue[0]):
            packet = self._queue.popleft()
            close_all(packet.descriptors)
            self._queued -= len(packet.payload) + _PACKET_COST
        self._watch_writable()
        if self._queued < self._room:
            self._has_room.set()

    def _watch_writable(self) -> None:
        """Have `_write` called when the channel takes more, as long as something is queued."""
        if self._awaits_writable == bool(self._queue):
            return
        self._awaits_writable = bool(self._queue)
        if self._awaits_writable:
            self._loop.add_writer(self._channel.fileno(), self._write)
        else:
            self._loop.remove_writer(self._channel.fileno())

    def _read(self) -> None:
        try:
            for _ in range(_PACKETS_A_TURN):
                packet = self._channel.receive_now()
                if packet is None:
                    self._end("the other end closed it")
                    return
                self._received(packet)
                if self._closed:
                    return
        except BlockingIOError:
            return
        except MalformedError as failure:
            self._end(str(failure))

    def _end(self, reason: str) -> None:
        self.close()
        self._ended(reason)
