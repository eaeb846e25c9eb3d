"""An apply with no engine that would have to prepare or swap."""

from __future__ import annotations

from desired.frozen import frozen
from reconcilers.host.host import Host
from reconcilers.roots import Roots


@frozen
class Alone:
    """No engine runs: the new snapshot is probed in this process, and nobody swaps."""

    host: Host
    roots: Roots

    def prepare(self, config: bytes) -> None:
        # A plan needs no signer, and starts sooner without.
        from aimx.controller.credentials import credentials
        from aimx.controller.proofs import keep, kept, needed

        with self.host.keeping() as host:
            made = credentials(config, host, self.roots)
        proofs, known = needed(made), kept(self.host, self.roots)
        if not proofs <= known:
            from aimx.controller.probe import probe

            probe(made, known)
        if proofs != known:
            keep(self.host, self.roots, proofs)

    def commit(self) -> None:
        pass

    def drop(self) -> None:
        pass

    def refresh(self) -> str:
        return ""
