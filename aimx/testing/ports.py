"""A port that stays free for one server until it is given back.

A port that somebody else's `bind` to port 0 found free may be taken again before the server that it
is for binds it. So it stays bound here, without listening: with SO_REUSEADDR, which servers set on
Linux, that lets the server in, and nobody whom the kernel gives a port of its own choice.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Self

PORTS_TRIED = 64


class ReservedPort:
    """One port number, at each of these addresses; to be closed."""

    def __init__(self, *addresses: str) -> None:
        self._held = ExitStack()
        for _ in range(PORTS_TRIED):
            with ExitStack() as held:
                try:
                    self.number = _bound(held, addresses or ("127.0.0.1",))
                except OSError as cause:
                    if cause.errno != errno.EADDRINUSE:
                        raise
                    continue
                self._held = held.pop_all()
                return
        raise OSError(errno.EADDRINUSE, f"no port is free at all of {', '.join(addresses)}")

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bound(held: ExitStack, addresses: tuple[str, ...]) -> int:
    """The port that the kernel gave for the first of them, bound at all."""
    number = 0
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        end = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((address, number))
        number = end.getsockname()[1]
    return number
