"""The resolver of a worker: one for as long as the same servers are asked, with what it knows."""

from __future__ import annotations

import asyncio

from aimx.snapshot import Snapshot
from aimx.verify.caching import CachingResolver


class Asking:
    """Gives a generation its resolver."""

    def __init__(self) -> None:
        self._settings: tuple[tuple[str, ...], float] | None = None
        self._resolver: CachingResolver | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, snapshot: Snapshot) -> CachingResolver:
        settings = (snapshot.resolvers, snapshot.dns_timeout)
        if self._resolver is None or settings != self._settings:
            self._leave()
            self._settings, self._resolver = settings, CachingResolver(*settings)
        return self._resolver

    def _leave(self) -> None:
        """Questions that are still open go on; the sockets are closed when they are answered."""
        if self._resolver is not None:
            task = asyncio.get_running_loop().create_task(self._resolver.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
