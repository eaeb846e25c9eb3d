"""Takes a message to the hosts of its recipients, directly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random, SystemRandom

from aimx.outbound.delivery import Outgoing
from aimx.outbound.hosts import Caller
from aimx.outbound.mx import Nowhere, exchangers
from aimx.outbound.outcome import Attempt, Deferred, Failed, Outcome
from aimx.outbound.session import Manners
from aimx.outbound.sessions import Sessions
from aimx.verify.resolver import NoAnswer, Resolver

# A domain may name a thousand hosts, and somebody waits for the outcome.
MOST_HOSTS = 10
MOST_AT_ONCE = 5  # Domains.


class Direct:
    """Delivers to the mail exchangers that the DNS names."""

    def __init__(
        self,
        resolver: Resolver,
        manners: Manners,
        *,
        ipv6: bool = False,
        sessions: Sessions | None = None,
        random: Random | None = None,
    ) -> None:
        """Without `sessions` each message has one of its own with each host."""
        self._resolver = resolver
        self._caller = Caller(resolver, manners, sessions or Sessions(most=0), ipv6)
        self._random = random or SystemRandom()

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Try every recipient once, and tell what became of each."""
        gate = asyncio.Semaphore(MOST_AT_ONCE)
        domains: dict[str, list[str]] = {}
        for recipient in outgoing.recipients:
            domains.setdefault(self.destination(recipient), []).append(recipient)

        async def one(domain: str, recipients: list[str]) -> dict[str, Outcome]:
            async with gate:
                return await self._to_domain(domain, recipients, outgoing)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*item)) for item in domains.items()]
        found = {to: outcome for task in tasks for to, outcome in task.result().items()}
        return Attempt({recipient: found[recipient] for recipient in outgoing.recipients})

    def destination(self, recipient: str) -> str:
        return recipient.rpartition("@")[2]

    async def _to_domain(
        self, domain: str, recipients: Sequence[str], outgoing: Outgoing
    ) -> dict[str, Outcome]:
        match await exchangers(self._resolver, domain, self._random):
            case Nowhere(reason):
                return dict.fromkeys(recipients, Failed(reason))
            case NoAnswer(reason):
                unseen = Deferred(reason, unreached=True)
                return dict.fromkeys(recipients, unseen)
            case hosts:
                unreached = f"All MX servers for {domain} unreachable"
                return await self._caller.offer(
                    hosts.names[:MOST_HOSTS], recipients, outgoing, unreached
                )
