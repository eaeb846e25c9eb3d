"""How many connections there may be: in all, and from one client."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

_REMEMBERED = 4096  # Addresses: to read one takes longer than all the rest of letting it in.


@lru_cache(_REMEMBERED)
def reduced(peer: str) -> str:
    """The address as it is logged and looked up: without zone, IPv4-mapped IPv6 as IPv4."""
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


@lru_cache(_REMEMBERED)
def client(peer: str) -> str:
    """Who counts as one client: an IPv4 address, or the /64 that an IPv6 host picks from."""
    address = ip_address(peer)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return peer


class Full(StrEnum):
    """Which limit is reached, by its name in `[smtp]` if it has one there."""

    ALL = "max_connections"
    ONE = "max_connections_per_ip"
    PROCESSES = "no_process"  # Nobody is up who has room for one more.


@dataclass(slots=True)
class Gate:
    """Who is in. The limits are asked anew for each connection, since they may change."""

    inside: Counter[str] = field(default_factory=Counter)

    def obstacle(self, peer: str, most: int, most_of_one: int) -> Full | None:
        """What keeps the client out; None where there is room for it."""
        if self.inside.total() >= most:
            return Full.ALL
        return Full.ONE if self.inside[client(peer)] >= most_of_one else None

    def enter(self, peer: str) -> None:
        """Count the client in."""
        self.inside[client(peer)] += 1

    def leave(self, peer: str) -> None:
        name = client(peer)
        self.inside[name] -= 1
        if self.inside[name] <= 0:
            del self.inside[name]


@dataclass(slots=True)
class Refusals:
    """Which the log has had lately: somebody who is kept out may come again without end."""

    seconds: float = 60.0  # One line in so long for each client, and one for all.
    most: int = 1_000  # Clients that are remembered.
    _told: dict[str, tuple[float, int]] = field(default_factory=dict)  # When, and how many since.

    def worth_a_line(self, peer: str, full: Full, now: float) -> int:
        """How many refusals a line stands for that is written now; 0: none is."""
        whom = client(peer) if full is Full.ONE else full.value
        told, since = self._told.pop(whom, (-math.inf, 0))
        if now - told < self.seconds:
            self._told[whom] = told, since + 1
            return 0
        while len(self._told) >= self.most:
            del self._told[next(iter(self._told))]
        self._told[whom] = now, 0
        return since + 1
