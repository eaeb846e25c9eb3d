"""Takes a message to the hosts of its recipients, directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random, SystemRandom

from aimx.outbound.delivery import Outgoing
from aimx.outbound.dialogue import Manners, Peer, offer
from aimx.outbound.mx import Nowhere, addresses, exchangers
from aimx.outbound.outcome import Attempt, Deferred, Failed, Outcome
from aimx.verify.resolver import NoAnswer, Resolver

# A domain may name a thousand hosts with a thousand addresses, and somebody waits for the outcome.
MOST_HOSTS = 10
MOST_PEERS = 10
MOST_AT_ONCE = 5  # Domains.


class Direct:
    """Delivers to the mail exchangers that the DNS names. One connection a domain and message."""

    def __init__(
        self,
        resolver: Resolver,
        manners: Manners,
        *,
        ipv6: bool = False,
        random: Random | None = None,
    ) -> None:
        self._resolver = resolver
        self._manners = manners
        self._ipv6 = ipv6
        self._random = random or SystemRandom()

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Try every recipient once, and tell what became of each."""
        gate = asyncio.Semaphore(MOST_AT_ONCE)
        domains: dict[str, list[str]] = {}
        for recipient in outgoing.recipients:
            domains.setdefault(recipient.rpartition("@")[2], []).append(recipient)

        async def one(domain: str, recipients: list[str]) -> dict[str, Outcome]:
            async with gate:
                return await self._to_domain(domain, recipients, outgoing)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*item)) for item in domains.items()]
        found = {to: outcome for task in tasks for to, outcome in task.result().items()}
        return Attempt({recipient: found[recipient] for recipient in outgoing.recipients})

    async def _to_domain(
        self, domain: str, recipients: Sequence[str], outgoing: Outgoing
    ) -> dict[str, Outcome]:
        match await exchangers(self._resolver, domain, self._random):
            case Nowhere(reason):
                return dict.fromkeys(recipients, Failed(reason))
            case NoAnswer(reason):
                return dict.fromkeys(recipients, Deferred(f"MX of {domain}: {reason}"))
            case hosts:
                return await self._to_hosts(domain, hosts.names[:MOST_HOSTS], recipients, outgoing)

    async def _to_hosts(
        self, domain: str, hosts: Sequence[str], recipients: Sequence[str], outgoing: Outgoing
    ) -> dict[str, Outcome]:
        """Each host in turn, for those whom no host has taken or refused for good."""
        progress = _Progress(domain, recipients)
        tried = 0
        async for peer in self._peers(hosts, progress):
            progress.note(await offer(peer, outgoing, progress.pending, self._manners))
            tried += 1
            if tried == MOST_PEERS or not progress.pending:
                break
        return progress.outcomes

    async def _peers(self, hosts: Sequence[str], progress: _Progress) -> AsyncIterator[Peer]:
        for host in hosts:
            found = await addresses(self._resolver, host, ipv6=self._ipv6)
            if isinstance(found, Nowhere | NoAnswer):
                progress.skip(host, found)
                continue
            for address in found:
                yield Peer(host, address)


class _Progress:
    """The recipients of one domain on their way past its hosts."""

    def __init__(self, domain: str, recipients: Sequence[str]) -> None:
        self._domain = domain
        self._settled: dict[str, Outcome] = {}
        self._reasons: dict[str, list[str]] = {recipient: [] for recipient in recipients}
        self._may_change = False

    @property
    def pending(self) -> list[str]:
        return [recipient for recipient in self._reasons if recipient not in self._settled]

    def skip(self, host: str, why: Nowhere | NoAnswer) -> None:
        """A host without an address. If we could not look, it may have one later."""
        self._may_change |= isinstance(why, NoAnswer)
        text = f"{host}: {why.reason}" if isinstance(why, NoAnswer) else why.reason
        for reasons in self._reasons.values():
            reasons.append(text)

    def note(self, outcomes: dict[str, Outcome]) -> None:
        self._may_change = True
        for recipient, outcome in outcomes.items():
            # Another host would get a message that the first one may have.
            if isinstance(outcome, Deferred) and not outcome.unanswered:
                self._reasons[recipient].append(outcome.reason)
            else:
                self._settled[recipient] = outcome

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {
            recipient: self._settled.get(recipient) or self._unreached(reasons)
            for recipient, reasons in self._reasons.items()
        }

    def _unreached(self, reasons: list[str]) -> Outcome:
        text = f"All MX servers for {self._domain} unreachable: {'; '.join(reasons)}"
        # RFC 5321 5.1: hosts without an address are an error to report, not to wait out.
        return Deferred(text) if self._may_change else Failed(text)
