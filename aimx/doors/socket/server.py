"""Takes one request a connection from the Unix socket, and writes back one reply.

Nothing that a client sends, or does not send, ends anything but its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import PurePosixPath

import structlog

from aimx.channel.packets import refuse_descriptors
from aimx.doors.authorize import Caller
from aimx.doors.events import Tell
from aimx.doors.socket import frames, wary
from aimx.doors.socket.frames import Code, FrameError, Request
from aimx.doors.socket.telling import Telling
from desired.frozen import field, mutable

MAX_CONNECTIONS = 64  # Of all who do not administer the server.
MAX_CONNECTIONS_PER_UID = 16
MAX_HELD_PER_UID = 64 * 1024 * 1024  # Octets of requests in memory.
REQUEST_SECONDS = 30.0
_CHUNK = 1 << 16
_LULL = 0.05  # Seconds of silence after which a client has said what it had to say.
_BREATH = 0.02  # Seconds between two looks whether the last one has left.
_LAST_SECONDS = 5.0  # That a client has for reading what is left of the reply.

log = structlog.get_logger()

# Takes the request, its caller, a descriptor with the body (-1: none) that stays the server's,
# and whom to tell what happens meanwhile; gives the whole reply.
Answer = Callable[[Request, Caller, int, Tell], Awaitable[bytes]]


@mutable
class Door:
    """The listening socket and who is in."""

    answer: Answer
    most_held: int = MAX_HELD_PER_UID
    patience: float = REQUEST_SECONDS  # For sending a request, and for reading the reply.
    # Their places are beside those of all others: whoever is to end a siege gets in.
    administrators: frozenset[int] = field(default_factory=lambda: frozenset({0, os.geteuid()}))
    inside: Counter[int] = field(default_factory=Counter)  # Connections by uid.
    held: Counter[int] = field(default_factory=Counter)  # Octets of requests by uid.
    _told: set[int] = field(default_factory=set)  # Users whose refusal the log has.
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _answering: set[asyncio.StreamWriter] = field(default_factory=set)
    _closing: bool = False
    _server: asyncio.AbstractServer | None = None

    async def open(self, path: PurePosixPath) -> None:
        """Listen at the path. The caller holds the daemon's lock, so a socket there is stale."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if os.path.lexists(path):
                os.unlink(path)
            if not refuse_descriptors(listener):
                listener = wary.Listener(fileno=listener.detach())
            listener.bind(str(path))
            # Authorisation is per verb, not by mode.
            os.chmod(path, 0o666)  # noqa: S103
        except OSError:
            listener.close()
            raise
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=frames.MAX_LINE + 2, backlog=128
        )

    async def close(self) -> None:
        """Let nobody in, and end what is left; a request in hand is answered first.

        Whoever asked for an apply is to learn how far it came.
        """
        self._closing = True
        if self._server is not None:
            self._server.close()
        for writer in self._open - self._answering:
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(_BREATH)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._admitted(reader, writer, _caller(writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # The client is gone; there is nobody to tell.
        finally:
            await _close(writer)
            self._answering.discard(writer)
            self._open.discard(writer)

    async def _admitted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: Caller
    ) -> None:
        if not self._admits(caller.uid):
            fault = FrameError(Code.TEMP, "too many connections, try again")
            # Nobody counts it, so it must be gone at once.
            await _refuse(reader, writer, fault, _LULL)
            return
        self.inside[caller.uid] += 1
        try:
            async with asyncio.timeout(self.patience) as until:
                await self._exchange(reader, writer, caller, until)
        except TimeoutError:
            log.warning("socket client timed out", uid=caller.uid)
        finally:
            self.inside -= Counter({caller.uid: 1})  # Forgets who has none left.
            if caller.uid not in self.inside:
                self._told.discard(caller.uid)

    def _admits(self, uid: int) -> bool:
        others = sum(n for each, n in self.inside.items() if each not in self.administrators)
        crowded = others >= MAX_CONNECTIONS and uid not in self.administrators
        full = crowded or self.inside[uid] >= MAX_CONNECTIONS_PER_UID
        # Refusals have no end: one line stands for all, until the user has left.
        if full and uid not in self._told:
            self._told.add(uid)
            log.warning("socket connection refused", uid=uid, connections=self.inside.total())
        return not full

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: Caller,
        until: asyncio.Timeout,
    ) -> None:
        """`until` limits what the client does, and not what we do for it."""
        try:
            request = await _head(reader)
            if request is None:
                return
            with self._holding(caller.uid, request.body_length):
                body = await _body(reader, request.body_length)
                until.reschedule(None)
                telling = Telling(writer.transport, asyncio.get_running_loop())
                self._answering.add(writer)
                reply = await self._answered(request, caller, body, telling)
        except FrameError as fault:
            await _refuse(reader, writer, fault, self.patience)
            return
        patience = min(self.patience, _LAST_SECONDS) if self._closing else self.patience
        until.reschedule(asyncio.get_running_loop().time() + patience)
        writer.write(reply)
        await writer.drain()

    @contextlib.contextmanager
    def _holding(self, uid: int, octets: int) -> Iterator[None]:
        """Count what a user has us hold in memory; raises `FrameError` where it is too much."""
        if octets and self.held[uid] + octets > self.most_held:
            raise FrameError(Code.TEMP, "too much is being sent at a time, try again")
        self.held[uid] += octets
        try:
            yield
        finally:
            self.held -= Counter({uid: octets})

    async def _answered(
        self, request: Request, caller: Caller, body: int, telling: Telling
    ) -> bytes:
        """The reply, after all that was told; the body is closed."""
        try:
            return await self.answer(request, caller, body, telling.tell)
        except FrameError as fault:
            return frames.error(fault.code, str(fault))
        except Exception:
            mark = os.urandom(4).hex()
            log.exception("socket request failed", verb=request.verb, uid=caller.uid, mark=mark)
            return frames.error(Code.IO, f"internal error; the log has it under {mark}")
        finally:
            telling.flush()
            if body >= 0:
                os.close(body)


def _caller(writer: asyncio.StreamWriter) -> Caller:
    connection = writer.get_extra_info("socket")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    return Caller(uid=uid, gid=gid, pid=pid)


async def _head(reader: asyncio.StreamReader) -> Request | None:
    """The request's head; None where the client left without a word."""
    lines: list[bytes] = []
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise frames.malformed(f"a line is over {frames.MAX_LINE} bytes") from None
        except asyncio.IncompleteReadError as cut:
            if not lines and not cut.partial:
                return None
            raise frames.malformed("the request ends within its head") from None
        line = line[:-1].removesuffix(b"\r")
        if not line:
            return frames.parse(lines)
        if len(line) > frames.MAX_LINE or len(lines) > frames.MAX_HEADERS:
            raise frames.malformed("the head is too large")
        lines.append(line)


async def _body(reader: asyncio.StreamReader, length: int) -> int:
    """The body in memory that grows as it comes, behind a descriptor; -1 where there is none."""
    if not length:
        return -1
    body = os.memfd_create("aimx-body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        await _fill(body, reader, length)
    except BaseException:
        os.close(body)
        raise
    return body


async def _fill(body: int, reader: asyncio.StreamReader, length: int) -> None:
    while length:
        chunk = await reader.read(min(length, _CHUNK))
        if not chunk:
            raise frames.malformed("the request ends within its body")
        os.write(body, chunk)
        length -= len(chunk)


async def _refuse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: FrameError, seconds: float
) -> None:
    await _drain(reader, seconds)
    writer.write(frames.error(fault.code, str(fault)))
    await writer.drain()


async def _drain(reader: asyncio.StreamReader, seconds: float) -> None:
    """Read on until the client pauses, so that it sees the reply and not a reset."""
    now = asyncio.get_running_loop().time
    end = now() + seconds
    with contextlib.suppress(TimeoutError, OSError):
        # Not `wait_for`: of a client that always has something to say it would forget the time.
        async with asyncio.timeout(None) as until:
            while now() < end:
                until.reschedule(min(now() + _LULL, end))
                if not await reader.read(_CHUNK):
                    break


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        # What the client has not read yet goes out first.
        async with asyncio.timeout(_LAST_SECONDS):
            await writer.wait_closed()
    except (TimeoutError, OSError):
        writer.transport.abort()
