"""From an engine config to what the engine's processes run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import chain

from aimx.controller.owners import uids
from aimx.controller.secrets import Secrets, SigningKeys
from aimx.hooks.command import Command
from aimx.snapshot import (
    Allowance,
    Delivery,
    Hook,
    Limits,
    Receiving,
    Route,
    Signing,
    Snapshot,
    SnapshotId,
)
from desired.desired import Desired, HostedDomain, Log, Mailbox, ServerUsers
from desired.desired import Hook as Declared
from desired.desired import Limits as Sending
from desired.engine_config import header
from desired.frozen import frozen
from desired.loaded import loaded
from desired.problem import ManifestError
from desired.quantities import Endpoint
from desired.relay import SecretReference
from reconcilers.host.host import Reading, StepError, UnseenError
from reconcilers.roots import Roots


@frozen
class Compiled:
    """A generation, ready to be handed to the processes: each gets only its part."""

    snapshot: Snapshot = field(compare=False)  # Perhaps without routes; `told` has all of it.
    told: bytes = field(repr=False)  # The snapshot as each process gets it, made but once.
    keys: Mapping[str, SigningKeys] = field(repr=False)  # By domain, for outbound alone.
    certificate: bytes | None = field(repr=False)  # PEM chain and key, for inbound; None: no TLS.
    commands: Mapping[str, Command] = field(repr=False)  # By hook, for the supervisor alone.
    endpoints: tuple[Endpoint, ...]
    workers: int | None
    users: ServerUsers
    metrics: Endpoint | None  # Where the numbers are read; None: nowhere.
    log: Log
    troubles: tuple[str, ...] = ()  # Which of our keys and certificates are damaged, and how.
    # Where the relay's password is. It is read when the generation is handed over.
    relay_password: SecretReference | None = None
    # The mailboxes of each uid, which it may be told of.
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def told_keys(self) -> Mapping[str, Mapping[str, str]]:
        """The keys as outbound is told them."""
        return {
            domain: {algorithm: pem.decode() for algorithm, pem in keys.items()}
            for domain, keys in self.keys.items()
        }


def compiled(
    config: bytes,
    host: Reading,
    roots: Roots,
    known: Compiled | None = None,
    *,
    without_tls: str = "",
    lately: bool = False,
) -> Compiled:
    """Load an engine config and the keys that it names; raises `StepError`.

    A domain whose key is gone is served without one: it receives, and cannot send. What is damaged
    is taken from what the engine runs on, if it has it: nothing else waits until it is mended.
    `without_tls`: why no certificate is even looked for. `lately`: of what the engine runs on
    it was seen a moment ago which mailboxes have a directory, so that the rest is looked at alone.
    """
    head = header(config)
    try:
        desired = loaded(str(roots.engine_config), config)
        secrets = Secrets(desired, host, roots)
        keys = secrets.keys(known.keys if known else {})
        certificate = None
        if without_tls:
            secrets.troubles.append(without_tls)
        else:
            certificate = secrets.certificate(known.certificate if known else None)
        owners = uids(desired, host, roots, _housed(known) if known and lately else {})
        made = snapshot(desired, head.generation if head else 0, owners)
        return Compiled(
            snapshot=made,
            told=made.to_bytes(),
            keys=keys,
            certificate=certificate,
            commands=dict(commands(desired, owners)),
            endpoints=desired.smtp.bind,
            workers=desired.smtp.workers,
            users=desired.users,
            metrics=desired.metrics.bind,
            log=desired.log,
            troubles=tuple(secrets.troubles),
            relay_password=desired.outbound.relay_password,
            owned=_owned(desired, owners),
        )
    except ManifestError as cause:
        first = str(cause).partition("\n")[0]
        raise StepError(f"the engine config cannot be loaded: {first}") from cause
    except UnseenError as cause:
        raise StepError(str(cause)) from cause


def _housed(known: Compiled) -> Mapping[str, int | None]:
    return {
        address: route.uid
        for address, route in known.snapshot.routes.items()
        if route.mailbox == address
    }


def _owned(desired: Desired, owners: Mapping[str, int | None]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, mailbox in desired.mailboxes.items():
        found.setdefault(str(owners[name]), []).append(str(mailbox.address))
    found.pop(str(None), None)
    return {uid: tuple(sorted(addresses)) for uid, addresses in found.items()}


def snapshot(desired: Desired, generation: int, uids: Mapping[str, int | None]) -> Snapshot:
    """The snapshot of a generation, with the uid of each mailbox's owner as it is now."""
    return Snapshot(
        id=SnapshotId(generation),
        hostname=desired.smtp.hostname.ascii,
        domains=tuple(domain.name.ascii for domain in desired.domains),
        routes={
            address: route
            for name, mailbox in desired.mailboxes.items()
            for address, route in _routes(mailbox, uids[name])
        },
        subaddress=desired.smtp.subaddress,
        limits=_limits(desired),
        receiving=Receiving(
            enforces_dmarc=desired.smtp.dmarc == "enforce",
            keeps_raw=desired.smtp.keep_raw,
        ),
        signing={domain.name.ascii: _signing(domain) for domain in desired.domains},
        delivery=Delivery(
            port=desired.outbound.port,
            timeout=desired.outbound.timeout.total_seconds(),
            ipv6=desired.enable_ipv6,
            relay=str(desired.outbound.relay or ""),
            queues=desired.outbound.mode == "queue",
            max_age=desired.outbound.max_age.total_seconds(),
        ),
        allowance=_allowance(desired.limits),
        allowances={
            str(mailbox.address): _allowance(mailbox.limits)
            for mailbox in desired.mailboxes.values()
            if mailbox.limits != desired.limits
        },
        former={str(move.target): str(move.source) for move in desired.moved},
        resolvers=tuple(str(resolver) for resolver in desired.dns.resolvers),
        dns_timeout=desired.dns.timeout.total_seconds(),
        max_signature_age=desired.policy.max_signature_age.total_seconds(),
        hooks={
            str(mailbox.address): tuple(map(_hook, mailbox.hooks))
            for mailbox in desired.mailboxes.values()
            if mailbox.hooks
        },
    )


def _signing(domain: HostedDomain) -> Signing:
    selectors: dict[str, str] = {
        algorithm: str(selector) for algorithm, selector in domain.selectors.items()
    }
    return Signing(selectors, domain.signature)


def _allowance(limits: Sending) -> Allowance:
    return Allowance(limits.sends_per_day, limits.new_recipients_per_day)


def _hook(hook: Declared) -> Hook:
    return Hook(str(hook.name), hook.event, hook.fire_on_untrusted, hook.fire_on_automated)


def commands(desired: Desired, owners: Mapping[str, int | None]) -> Iterator[tuple[str, Command]]:
    for name, mailbox in desired.mailboxes.items():
        for hook in mailbox.hooks:
            yield (
                str(hook.name),
                Command(
                    hook=str(hook.name),
                    event=hook.event,
                    mailbox=str(mailbox.address),
                    domain=mailbox.address.domain.ascii,
                    folder=mailbox.address.folder,
                    owner=mailbox.owner,
                    uid=owners[name],
                    argv=hook.cmd,
                    timeout=hook.timeout.total_seconds(),
                    fire_on_untrusted=hook.fire_on_untrusted,
                    replies_per_hour=mailbox.limits.replies_per_thread_per_hour,
                ),
            )


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
        text_line=smtp.max_text_line,
        command_line=smtp.max_command_line,
        errors=smtp.max_errors,
        recipients=smtp.max_recipients,
        connections=smtp.max_connections,
        connections_per_address=smtp.max_connections_per_ip,
        idle_timeout=smtp.idle_timeout.total_seconds(),
        data_timeout=smtp.data_timeout.total_seconds(),
    )
