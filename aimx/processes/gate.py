"""How many connections there may be: in all, and from one client."""

from __future__ import annotations

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
    """Which limit is reached, by its name in `[smtp]`."""

    ALL = "max_connections"
    ONE = "max_connections_per_ip"


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
