"""Which hosts take mail for a domain, in the order in which they are tried (RFC 5321 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import TypeAlias

from aimx.verify.resolver import NoAnswer, NoRecord, Records, Resolver
from desired.frozen import frozen


@frozen
class Hosts:
    """They take mail for the domain; the first is asked first."""

    names: tuple[str, ...]


@frozen
class Nowhere:
    """Nobody takes mail for the domain, and the DNS is sure of it."""

    reason: str


Exchangers: TypeAlias = Hosts | Nowhere | NoAnswer


async def exchangers(resolver: Resolver, domain: str, random: Random) -> Exchangers:
    """Ask the DNS who takes mail for `domain`. `random` shares the load among equals."""
    match await resolver.lookup(domain, "MX"):
        case Records() as records:
            return _ordered(domain, records.exchanges, random)
        case NoRecord(exists=False):
            return Nowhere(f"domain {domain} does not exist (5.1.2)")
        case NoRecord():
            # The domain is its own implicit MX, if it has an address.
            return Hosts((domain,))
        case NoAnswer() as unseen:
            return unseen


def _ordered(domain: str, records: Iterable[tuple[int, str]], random: Random) -> Exchangers:
    # RFC 7505: a lone "." says that nobody takes mail. Beside others it says nothing.
    usable = sorted((preference, host) for preference, host in records if host not in ("", "."))
    if not usable:
        return Nowhere(f"domain {domain} takes no mail (null MX, 5.1.10)")
    names: list[str] = []
    for _, equals in groupby(usable, key=itemgetter(0)):
        hosts = [host for _, host in equals]
        random.shuffle(hosts)
        names += hosts
    return Hosts(tuple(dict.fromkeys(names)))


async def addresses(
    resolver: Resolver, host: str, *, ipv6: bool
) -> tuple[str, ...] | Nowhere | NoAnswer:
    """The host's addresses, IPv4 first. What is unseen matters only where nothing was found.

    Without `ipv6`, a host that has no others is told with the setting that would reach it.
    """
    found: list[str] = []
    unseen: NoAnswer | None = None
    for record in ("A", "AAAA") if ipv6 else ("A",):
        match await resolver.lookup(host, record):
            case Records() as records:
                found += records.names
            case NoAnswer() as silence:
                unseen = silence
            case NoRecord():
                pass
    if found:
        return tuple(found)
    if unseen or ipv6:
        return unseen or Nowhere(f"{host} has no address")
    text = f"{host} has no IPv4 address"
    if isinstance(await resolver.lookup(host, "AAAA"), Records):
        text += ", and IPv6 is off: set `enable_ipv6 = true` to reach it"
    return Nowhere(text)
