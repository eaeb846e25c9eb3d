"""Reading a request for metrics, and giving it one of the pages that came with its connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from aimx.metrics.pages import BUSY, LONGEST_REQUEST, Page, answer, encoded
from aimx.processes.listening import say

_AT_ONCE = 16
_SECONDS = 5.0  # For the request to arrive, and for its answer to be taken.
_REFUSED_AT_ONCE = 64  # Whoever comes beyond them is not even told.
_REFUSED_SECONDS = 1.0


class Answering:
    """In an inbound process, beside its sessions. Slow readers cost it one of a few places."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing: set[asyncio.Task[None]] = set()

    def adopt(self, connection: socket.socket, pages: Sequence[Page]) -> None:
        """The connection is ours from here on."""
        if len(self._tasks) < _AT_ONCE:
            _begin(self._tasks, _answered(connection, pages))
        elif len(self._refusing) < _REFUSED_AT_ONCE:
            _begin(self._refusing, _refused(connection))
        else:
            say(connection, encoded(BUSY))
            connection.close()


def _begin(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _refused(connection: socket.socket) -> None:
    connection.setblocking(False)  # noqa: FBT003 - it has no other name
    with connection, suppress(OSError, TimeoutError):
        say(connection, encoded(BUSY))
        async with asyncio.timeout(_REFUSED_SECONDS):
            await _read_out(connection)


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


async def _read_out(connection: socket.socket) -> None:
    # RFC 9112 9.6, as above.
    connection.shutdown(socket.SHUT_WR)
    while await asyncio.get_running_loop().sock_recv(connection, LONGEST_REQUEST):
        pass


async def _lines(reader: asyncio.StreamReader) -> bytes:
    """Up to the empty line; of one that is too long, what no request can be."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return b""
