"""Hosts that are met in the clear for a while, since they offer TLS and none comes of it.

RFC 7435 3: encryption where it can be had. Who breaks it on the way could as well hide that it is
offered, so nothing is safer without an attempt in the clear. Most such trouble passes: the message
that has met it is put off, and the next attempt is the one in the clear.
"""

from __future__ import annotations

import time
from dataclasses import replace

from aimx.outbound.session import Manners, Peer

SECONDS = 3600.0  # Until TLS is tried again.
MOST = 1_000  # Hosts that are remembered.


class Clear:
    """Those that are met so, the first to be forgotten first."""

    def __init__(self, *, seconds: float = SECONDS, most: int = MOST) -> None:
        self._seconds, self._most = seconds, most
        self._until: dict[tuple[Peer, int], float] = {}  # By host, address and port.

    def note(self, peer: Peer, manners: Manners) -> None:
        """No TLS came of what the host offers."""
        self._until.pop((peer, manners.port), None)
        while len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[peer, manners.port] = time.monotonic() + self._seconds

    def manners(self, peer: Peer, manners: Manners) -> Manners:
        """How this host is met. Nobody tells a password in the clear, nor to whom TLS is a must."""
        if manners.implicit_tls or manners.credentials is not None:
            return manners
        until = self._until.get((peer, manners.port), 0.0)
        return replace(manners, start_tls=False) if time.monotonic() < until else manners
