"""From an engine config to what the engine runs on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from aimx.snapshot import Delivery, Limits, Route, Signing, Snapshot, SnapshotId
from desired.desired import Desired, Mailbox
from reconcilers.host.host import Account


def snapshot(
    desired: Desired, generation: int, account: Callable[[str], Account | None]
) -> Snapshot:
    """The snapshot of a generation, with each owner's uid as it is on this host now."""
    uids = {owner: _uid(account(owner)) for owner in {m.owner for m in desired.mailboxes.values()}}
    return Snapshot(
        id=SnapshotId(generation),
        hostname=desired.smtp.hostname.ascii,
        domains=tuple(domain.name.ascii for domain in desired.domains),
        routes={
            address: route
            for mailbox in desired.mailboxes.values()
            for address, route in _routes(mailbox, uids[mailbox.owner])
        },
        subaddress=desired.smtp.subaddress,
        limits=_limits(desired),
        signing={
            domain.name.ascii: Signing(domain.selector.text, domain.signature)
            for domain in desired.domains
        },
        delivery=Delivery(
            port=desired.outbound.port,
            timeout=desired.outbound.timeout.total_seconds(),
            ipv6=desired.enable_ipv6,
        ),
        resolvers=tuple(str(resolver) for resolver in desired.dns.resolvers),
        dns_timeout=desired.dns.timeout.total_seconds(),
        max_signature_age=desired.policy.max_signature_age.total_seconds(),
    )


def _uid(account: Account | None) -> int | None:
    return None if account is None else account.uid


def _routes(mailbox: Mailbox, uid: int | None) -> chain[tuple[str, Route]]:
    """The mailbox's address and its aliases, all leading to it."""
    route = Route(
        mailbox=str(mailbox.address),
        domain=mailbox.address.domain.ascii,
        folder=mailbox.address.folder,
        uid=uid,
        trust=mailbox.trust,
        trusted_senders=tuple(str(glob) for glob in mailbox.trusted_senders),
    )
    return chain(
        [(str(mailbox.address), route)], ((str(alias), route) for alias in mailbox.aliases)
    )


def _limits(desired: Desired) -> Limits:
    smtp = desired.smtp
    return Limits(
        message_size=smtp.max_message_size,
        recipients=smtp.max_recipients,
        connections=smtp.max_connections,
        connections_per_address=smtp.max_connections_per_ip,
        idle_timeout=smtp.idle_timeout.total_seconds(),
        data_timeout=smtp.data_timeout.total_seconds(),
    )
