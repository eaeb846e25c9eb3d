"""Reading a request for metrics, and giving it one of the pages that came with its connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

from aimx.metrics.pages import BUSY, LONGEST_REQUEST, Page, answer, encoded
from aimx.processes.listening import say

_AT_ONCE = 16
_SECONDS = 5.0  # For the request to arrive, and for its answer to be taken.


class Answering:
    """In an inbound process, beside its sessions. Slow readers cost it one of a few places."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def adopt(self, connection: socket.socket, pages: Sequence[Page]) -> None:
        """The connection is ours from here on."""
        if len(self._tasks) >= _AT_ONCE:
            say(connection, encoded(BUSY))
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(_answered(connection, pages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _answered(connection: socket.socket, pages: Sequence[Page]) -> None:
    connection.setblocking(False)  # noqa: FBT003 - it has no other name
    with connection, suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_REQUEST)
            try:
                writer.write(answer(await _lines(reader), {page.path: page for page in pages}))
                await writer.drain()
                # RFC 9112 9.6: closed with something unread, it would take the answer away again.
                writer.write_eof()
                while await reader.read(LONGEST_REQUEST):
                    pass
            finally:
                writer.transport.abort()


async def _lines(reader: asyncio.StreamReader) -> bytes:
    """Up to the empty line; of one that is too long, what no request can be."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return b""
