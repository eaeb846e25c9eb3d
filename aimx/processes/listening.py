"""The sockets that mail comes in by: bound by root, kept across generations."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from desired.quantities import Endpoint

_BACKLOG = 1024


class BindError(Exception):
    """An address that cannot be listened on, with what to do about it."""


@dataclass(slots=True)
class Listening:
    """The bound sockets by endpoint; those for the next generation wait in `prepared`."""

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
                    self.prepared[endpoint] = bind(endpoint)
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


def bind(endpoint: Endpoint) -> socket.socket:
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
        raise BindError(f"cannot listen on {endpoint}: {reason}. {_remedy(cause)}") from cause
    return listener


def _remedy(cause: OSError) -> str:
    if isinstance(cause, PermissionError):
        return "Ports below 1024 need root; set [smtp] bind to a high port."
    return "Stop what listens there, or set [smtp] bind to another address."
