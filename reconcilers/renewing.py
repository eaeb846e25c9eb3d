"""Keys that somebody asks for by name, and how one takes the place of another."""

from __future__ import annotations

from collections.abc import Set
from itertools import count
from pathlib import PurePosixPath

from desired.desired import Algorithm
from desired.frozen import frozen
from reconcilers.der import UnusableKeyError
from reconcilers.host.host import Access, Host, Reading
from reconcilers.signing import known_by, public_pem
from reconcilers.standing import file
from reconcilers.step import Hands


@frozen
class Renewal:
    """Addresses of keys: `dkim/<domain>/<selector>`."""

    making: Set[str] = frozenset()  # Where there is one, it stays.
    replacing: Set[str] = frozenset()  # Where there is one, it is kept beside the new one.


NO_RENEWAL = Renewal()


@frozen
class ReplaceKey:
    """Another private key is there than the one that was, which keeps a name with its last day.

    At no instant is there none: the old one has its second name before the new one takes the first.
    """

    path: PurePosixPath
    access: Access
    algorithm: Algorithm
    was: str  # What the key is known by that goes; empty for one that is lost, or of no use.

    def take(self, hands: Hands) -> None:
        host = hands.host
        if self._found(host) == self.was:
            self._keep(host)
            host.replace(self.path, host.new_private_key(self.algorithm), self.access)

    def holds(self, hands: Hands) -> bool:
        there = file(hands.host.look(self.path)) == self.access
        return there and self._found(hands.host) not in ("", self.was)

    def _found(self, host: Reading) -> str:
        try:
            return known_by(public_pem(host.read(self.path) or b"", self.algorithm))
        except UnusableKeyError:
            return ""

    def _keep(self, host: Host) -> None:
        there = host.look(self.path)
        if there is None:
            return
        dated = self.path.with_name(f"{self.path.name}.{host.now():%Y-%m-%d}")
        for number in count(1):
            name = dated if number == 1 else dated.with_name(f"{dated.name}-{number}")
            found = host.look(name)
            if found is None:
                host.link(self.path, name)
            if found is None or found.inode == there.inode:  # Else another of the same day.
                return

    def __str__(self) -> str:
        return f"replace key {self.path}, and keep the old one with its date"
