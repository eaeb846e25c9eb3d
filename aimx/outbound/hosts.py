"""Hosts that are offered a message one after the other, until one has taken or refused it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from aimx.outbound.delivery import Outgoing
from aimx.outbound.dialogue import offer
from aimx.outbound.mx import Nowhere, addresses
from aimx.outbound.outcome import Deferred, Failed, Outcome
from aimx.outbound.session import Manners, Peer
from aimx.outbound.sessions import Sessions
from aimx.verify.resolver import NoAnswer, Resolver, is_address
from desired.frozen import frozen

# A host may have a thousand addresses, and somebody waits for the outcome.
MOST_PEERS = 10
# Times as long as one reply may take: after that no other address is tried.
PATIENCE = 5


@frozen
class Caller:
    """How hosts are found and spoken to."""

    resolver: Resolver
    manners: Manners
    sessions: Sessions
    ipv6: bool = False

    async def offer(
        self, hosts: Sequence[str], recipients: Sequence[str], outgoing: Outgoing, unreached: str
    ) -> dict[str, Outcome]:
        """Each host in turn, for those whom no host has taken or refused for good.

        `unreached` begins the reason where no host has said anything for good.
        """
        progress = _Progress(unreached, recipients)
        tried, late = 0, _now() + PATIENCE * self.manners.timeout
        async for peer in self._peers(hosts, progress):
            progress.note(
                await offer(peer, outgoing, progress.pending, self.manners, self.sessions)
            )
            tried += 1
            if tried == MOST_PEERS or not progress.pending or _now() > late:
                break
        return progress.outcomes

    async def _peers(self, hosts: Sequence[str], progress: _Progress) -> AsyncIterator[Peer]:
        for host in hosts:
            found = (host,) if is_address(host) else await self._addresses(host)
            if isinstance(found, Nowhere | NoAnswer):
                progress.skip(host, found)
                continue
            for address in found:
                yield Peer(host, address)

    async def _addresses(self, host: str) -> tuple[str, ...] | Nowhere | NoAnswer:
        return await addresses(self.resolver, host, ipv6=self.ipv6)


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Progress:
    """Recipients on their way past hosts, each of which may take some of them."""

    def __init__(self, unreached: str, recipients: Sequence[str]) -> None:
        self._unreached = unreached
        self._settled: dict[str, Outcome] = {}
        self._reasons: dict[str, list[str]] = {recipient: [] for recipient in recipients}
        self._may_change: set[str] = set()  # Those whom some host may take later.
        self._is_met = False  # Whether any host listened to us.

    @property
    def pending(self) -> list[str]:
        return [recipient for recipient in self._reasons if recipient not in self._settled]

    def skip(self, host: str, why: Nowhere | NoAnswer) -> None:
        """A host without an address. If we could not look, it may have one later."""
        if isinstance(why, NoAnswer):
            self._may_change |= self._reasons.keys()
        for reasons in self._reasons.values():
            reasons.append(why.reason)

    def note(self, outcomes: dict[str, Outcome]) -> None:
        for recipient, outcome in outcomes.items():
            self._is_met |= not (isinstance(outcome, Deferred) and outcome.unreached)
            match outcome:
                case Failed(reason, elsewhere=True):
                    self._reasons[recipient].append(reason)
                # Another host would get a message that the first one may have.
                case Deferred(reason, unanswered=False):
                    self._may_change.add(recipient)
                    self._reasons[recipient].append(reason)
                case _:
                    self._settled[recipient] = outcome

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {
            recipient: self._settled.get(recipient) or self._not_taken(recipient, reasons)
            for recipient, reasons in self._reasons.items()
        }

    def _not_taken(self, recipient: str, reasons: list[str]) -> Outcome:
        text = f"{self._unreached}: {'; '.join(reasons)}"
        if recipient in self._may_change:
            return Deferred(text, unreached=not self._is_met)
        # RFC 5321 5.1: hosts without an address are an error to report, not to wait out; and so are
        # hosts that all refuse at the door.
        return Failed(reasons[0] if len(reasons) == 1 and self._is_met else text)
