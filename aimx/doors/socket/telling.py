"""What a client is told while its request is carried out, at no cost to whoever carries it out."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from aimx.doors.events import Event
from aimx.doors.socket import frames
from desired.frozen import field, mutable

# Octets that wait for a client. What is beyond is not told: all that counts is in the reply.
_MOST = 1 << 20
_MOST_EVENTS = 4096  # That wait for the loop.


@mutable
class Telling:
    """Events on their way to one client; whoever reads too slowly is told fewer of them."""

    transport: asyncio.WriteTransport
    loop: asyncio.AbstractEventLoop
    _waiting: deque[bytes] = field(default_factory=deque)
    _called: bool = False

    def tell(self, event: Event) -> None:
        """From any thread; never waits, and a client that is gone is no trouble of the caller's."""
        if len(self._waiting) >= _MOST_EVENTS or self.transport.is_closing():
            return
        self._waiting.append(frames.event(event))
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # The loop has ended.
                self.loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """In the loop: pass on what waits, as far as the client keeps up."""
        self._called = False  # First, so that what comes from now on calls again.
        room, passed = _MOST - self.transport.get_write_buffer_size(), []
        while self._waiting:
            line = self._waiting.popleft()
            if len(line) <= room:
                room -= len(line)
                passed.append(line)
        if passed and not self.transport.is_closing():
            self.transport.write(b"".join(passed))
