"""The resolver of a worker: one for as long as the same servers are asked, with what it knows."""

from __future__ import annotations

from aimx.snapshot import Snapshot
from aimx.verify.caching import CachingResolver


class Asking:
    """Gives a generation its resolver. One that is replaced answers what it was asked, and goes."""

    def __init__(self) -> None:
        self._settings: tuple[tuple[str, ...], float] | None = None
        self._resolver: CachingResolver | None = None

    def of(self, snapshot: Snapshot) -> CachingResolver:
        settings = (snapshot.resolvers, snapshot.dns_timeout)
        if self._resolver is None or settings != self._settings:
            if self._resolver is not None:
                self._resolver.release()
            self._settings, self._resolver = settings, CachingResolver(*settings)
        return self._resolver
