"""Takes every message to one host that takes it further: a smarthost."""

from __future__ import annotations

import ssl

from aimx.outbound.delivery import Outgoing
from aimx.outbound.hosts import Caller
from aimx.outbound.outcome import Attempt, Deferred
from aimx.outbound.session import Credentials, Manners, opportunistic
from aimx.outbound.sessions import Sessions
from aimx.verify.resolver import Resolver
from desired.relay import Relay

_UNREAD = "the relay's password cannot be read; the log of the server says why"


class Relayed:
    """Delivers to the relay alone."""

    def __init__(
        self,
        relay: Relay,
        resolver: Resolver,
        *,
        hostname: str,
        timeout: float,
        ipv6: bool = False,
        password: str = "",
        tls: ssl.SSLContext | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        """Where the relay knows us as a user its certificate is checked against `tls`."""
        self._relay = relay
        self._is_ready = bool(password) or not relay.user
        is_checked = bool(relay.user) or relay.implicit_tls
        manners = Manners(
            hostname=hostname,
            port=relay.endpoint.port,
            timeout=timeout,
            tls=(tls or ssl.create_default_context()) if is_checked else opportunistic(),
            implicit_tls=relay.implicit_tls,
            credentials=Credentials(relay.user, password) if relay.user else None,
        )
        self._caller = Caller(resolver, manners, sessions or Sessions(most=0), ipv6)

    async def deliver(self, outgoing: Outgoing) -> Attempt:
        """Offer it for all recipients, and tell what became of each."""
        if not self._is_ready:
            return Attempt(dict.fromkeys(outgoing.recipients, Deferred(_UNREAD, unreached=True)))
        host = self._relay.endpoint.host
        unreached = f"the relay {host} has not taken it"
        return Attempt(await self._caller.offer([host], outgoing.recipients, outgoing, unreached))

    def destination(self, recipient: str) -> str:
        return str(self._relay.endpoint)
