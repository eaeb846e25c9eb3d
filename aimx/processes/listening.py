"""Listening sockets: bound by root, kept across generations."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from desired.quantities import Endpoint

_BACKLOG = 1024
PAUSE = 0.2  # How long to let be when there are no descriptors left, in seconds.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = structlog.get_logger()


class BindError(Exception):
    """An address that cannot be listened on, with what to do about it."""


@dataclass(slots=True)
class Listening:
    """The bound sockets by endpoint; those for the next generation wait in `prepared`."""

    setting: str = "[smtp] bind"  # Where a manifest names them.
    bound: dict[Endpoint, socket.socket] = field(default_factory=dict)
    prepared: dict[Endpoint, socket.socket] = field(default_factory=dict)

    def prepare(self, endpoints: Iterable[Endpoint]) -> None:
        """Bind what is new; raises `BindError`, and then nothing is bound that was not."""
        wanted = tuple(endpoints)
        try:
            for endpoint in wanted:
                if endpoint in self.bound:
                    self.prepared[endpoint] = self.bound[endpoint]
                else:
                    self.prepared[endpoint] = bind(endpoint, self.setting)
        except BindError:
            self.drop()
            raise

    def commit(self) -> tuple[set[socket.socket], set[socket.socket]]:
        """Swap to what was prepared; gives the new sockets, and those that are to be left."""
        before, after = set(self.bound.values()), set(self.prepared.values())
        self.bound, self.prepared = self.prepared, {}
        return after - before, before - after

    def drop(self) -> None:
        for endpoint, listener in self.prepared.items():
            if endpoint not in self.bound:
                listener.close()
        self.prepared = {}

    def close(self) -> None:
        self.drop()
        for listener in self.bound.values():
            listener.close()
        self.bound = {}


def taken(listener: socket.socket) -> tuple[int, str] | None:
    """Who waits longest: a descriptor, and the address at its other end; None where nobody does.

    An `OSError` says that no descriptor is left, and is worth another try after a `PAUSE`.
    """
    while True:
        try:
            # Not `accept`, which makes a socket of it, for somebody who only passes it on.
            descriptor, address = listener._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return None
        except OSError as failure:
            # ECONNABORTED and the like are that client's.
            if failure.errno in _EXHAUSTED:
                log.error("cannot accept connections", reason=failure.strerror)
                raise
        else:
            return descriptor, address[0]


async def accepted(listener: socket.socket) -> tuple[socket.socket, str]:
    """The next connection, and the address at its other end.

    Who is cancelled meanwhile has taken none. The loop's own `sock_accept` may take one just then,
    and has nobody to give it to.
    """
    while True:
        try:
            arrived = taken(listener)
        except OSError:
            await asyncio.sleep(PAUSE)
        else:
            if arrived is not None:
                descriptor, address = arrived
                return socket.socket(fileno=descriptor), address
            await _readable(listener)


async def _readable(listener: socket.socket) -> None:
    """Somebody is there, or was a moment ago."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(listener, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(listener)


def say(connection: socket.socket, last: bytes) -> None:
    """The last word to a client; a full socket buffer is no reason to wait."""
    try:
        connection.send(last, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        log.debug("refused client was gone already")


def turn_away(descriptor: int, last: bytes) -> None:
    """`say` it to a client that is not let in. The descriptor stays the caller's."""
    connection = socket.socket(fileno=descriptor)
    try:
        say(connection, last)
    finally:
        connection.detach()


def bind(endpoint: Endpoint, setting: str) -> socket.socket:
    """Listen at the endpoint. Without SO_REUSEPORT: a second daemon must not take half the mail."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)  # noqa: FBT003 - it has no other name
        listener.bind((endpoint.host, endpoint.port))
        listener.listen(_BACKLOG)
    except OSError as cause:
        listener.close()
        reason = (cause.strerror or str(cause)).lower()
        remedy = _remedy(cause, setting)
        raise BindError(f"cannot listen on {endpoint}: {reason}. {remedy}") from cause
    return listener


def _remedy(cause: OSError, setting: str) -> str:
    if isinstance(cause, PermissionError):
        return f"Ports below 1024 need root; set {setting} to a high port."
    return f"Stop what listens there, or set {setting} to another address."
