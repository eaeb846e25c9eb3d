"""What the engine's processes are told of a desired state: the snapshot, and commands of hooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from aimx.controller.credentials import signing
from aimx.hooks.command import Command
from aimx.snapshot import (
    Allowance,
    Delivery,
    Hook,
    Limits,
    Receiving,
    Route,
    Snapshot,
    SnapshotId,
)
from desired.desired import Desired, Mailbox
from desired.desired import Hook as Declared
from desired.desired import Limits as Sending


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
        signing=signing(desired),
        delivery=_delivery(desired),
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


def _delivery(desired: Desired) -> Delivery:
    outbound = desired.outbound
    return Delivery(
        port=outbound.port,
        timeout=outbound.timeout.total_seconds(),
        ipv6=desired.enable_ipv6,
        relay=str(outbound.relay or ""),
        queues=outbound.mode == "queue",
        max_age=outbound.max_age.total_seconds(),
    )


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
