"""The DNS tree walk: which organization a domain belongs to (RFC 9989 4.10)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from aimx.verify import policy
from aimx.verify.expiring import Expiring
from aimx.verify.policy import PolicyRecord
from aimx.verify.resolver import NoAnswer, Records, Resolver

KEPT = 10_000  # Walks in memory.
LONGEST = 86400  # Seconds for which one is kept.
MOST_LABELS = 7  # Of a parent that is asked: with the domain itself eight questions at most.


@dataclass(frozen=True)
class Walk:
    """The policy records from `domain` upwards, the longest name first.

    It is kept, and asked for each message of the domain, so that it finds its answers but once.
    """

    domain: str
    found: tuple[tuple[str, PolicyRecord], ...]
    trouble: str = ""  # Why the walk ended before its time.

    @cached_property
    def own(self) -> PolicyRecord | None:
        return self.found[0][1] if self.found and self.found[0][0] == self.domain else None

    @cached_property
    def organization(self) -> str | None:
        """RFC 9989 4.10.2. None: could not be found out."""
        if self.trouble:
            return None
        for name, record in self.found:
            if record.psd == "n":
                return name
            if record.psd == "y" and name != self.domain:
                return self._one_below(name)
        topmost = self.found[-1][0] if self.found else self.domain
        # We deviate where a top-level domain has a record without `psd=y`: taken at its word, all
        # domains below it were one organization, and each could vouch for each.
        return self._one_below(topmost) if "." not in topmost else topmost

    @cached_property
    def applied(self) -> tuple[str, PolicyRecord] | None:
        """RFC 9989 4.10.1: the record that applies to `domain`: its own, else its organization's,
        else its public suffix's.
        """
        if self.own is not None:
            return self.domain, self.own
        organization = self.organization
        for name, record in self.found:
            if name == organization:
                return name, record
        return self.found[-1] if self.found else None

    def _one_below(self, suffix: str) -> str:
        labels = self.domain.split(".")
        return ".".join(labels[-(suffix.count(".") + 2) :])


def targets(domain: str) -> tuple[str, ...]:
    """The names that a walk visits: never more than eight."""
    labels = domain.split(".")
    parents = labels[1:][-MOST_LABELS:]
    return domain, *(".".join(parents[at:]) for at in range(len(parents)))


class Walks:
    """Walks, and remembers a walk for as long as all the answers on its way last."""

    def __init__(self, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self.resolver = resolver
        self._kept: Expiring[str, Walk] = Expiring(KEPT, clock)

    def foresee(self, domain: str) -> None:
        """Have asked what a walk will ask."""
        if self._kept.get(domain) is None:
            # Hardly a walk ends before the top, and one after the other they would take their time.
            for name in targets(domain):
                self.resolver.foresee(f"_dmarc.{name}", "TXT")

    async def of(self, domain: str) -> Walk:
        if kept := self._kept.get(domain):
            return kept[0]
        self.foresee(domain)
        found, lifetime = await self._walked(domain)
        self._kept.put(domain, found, lifetime)
        return found

    async def _walked(self, domain: str) -> tuple[Walk, int]:
        found: list[tuple[str, PolicyRecord]] = []
        lifetime = LONGEST
        for name in targets(domain):
            answer = await self.resolver.lookup(f"_dmarc.{name}", "TXT")
            if isinstance(answer, NoAnswer):
                return Walk(domain, tuple(found), answer.reason), 0
            lifetime = min(lifetime, answer.ttl)
            record = policy.read(answer.texts) if isinstance(answer, Records) else None
            if record is not None:
                found.append((name, record))
                if record.psd != "u":
                    break
        return Walk(domain, tuple(found)), lifetime
