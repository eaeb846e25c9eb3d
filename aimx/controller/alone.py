"""An apply with no engine that would have to prepare or swap."""

from __future__ import annotations

from dataclasses import dataclass

from reconcilers.host.host import Reading
from reconcilers.roots import Roots


@dataclass(frozen=True, slots=True)
class Alone:
    """No engine runs: the new snapshot is probed in this process, and nobody swaps."""

    host: Reading
    roots: Roots

    def prepare(self, config: bytes) -> None:
        # A plan needs no signer, and starts sooner without.
        from aimx.controller.compiled import compiled
        from aimx.controller.probe import probe

        probe(compiled(config, self.host, self.roots))

    def commit(self) -> None:
        pass

    def drop(self) -> None:
        pass

    def refresh(self) -> str:
        return ""
