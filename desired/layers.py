"""Which layer speaks for each setting; from a draft without errors, everything that is desired.

A layer replaces what stands above it, nothing merges, and a set empty list counts as set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from desired import desired as values
from desired.desired import Desired, HostedDomain, Identity, Mailbox, Trust
from desired.draft import Declared, DeclaredMailbox, Draft
from desired.frozen import replace
from desired.legacy import mentioned
from desired.names import Domain, Glob, HookName
from desired.problem import KeyPath, Source, digest
from desired.schema import DomainTable, HookTable, IdentityTable, Table

_NO_OVERRIDE = DomainTable.model_construct()


class Layers:
    """The draft's layers: mailbox, then domain, then top, then what is built in."""

    def __init__(self, draft: Draft) -> None:
        self._top = draft.top
        self._overrides = {override.name: override.table for override in draft.overrides}
        self.limits = values.Limits(**given(draft.top.limits))
        self._domains = {domain.name: self._hosted(domain.name) for domain in draft.domains}

    def trust(self, mailbox: DeclaredMailbox) -> Trust:
        if mailbox.table.trust is not None:
            return mailbox.table.trust
        domain = self._domains.get(mailbox.name.domain)
        return domain.trust if domain else "none"

    def domains(self) -> tuple[HostedDomain, ...]:
        return tuple(self._domains.values())

    def mailbox(self, declared: DeclaredMailbox) -> Mailbox:
        table, domain = declared.table, self._domains[declared.name.domain]
        senders = table.trusted_senders
        return Mailbox(
            address=declared.name,
            owner=table.owner.text,
            trust=table.trust or domain.trust,
            trusted_senders=domain.trusted_senders if senders is None else tuple(senders),
            hooks=tuple(map(_hook, table.hooks)),
            aliases=tuple(table.aliases),
            protect=table.lifecycle.protect if table.lifecycle else None,
            allow_root_catchall=table.allow_root_catchall,
            limits=replace(self.limits, **given(table.limits)) if table.limits else self.limits,
        )

    def _hosted(self, name: Domain) -> HostedDomain:
        table, top = self._overrides.get(name, _NO_OVERRIDE), self._top
        senders: list[Glob] | None = table.trusted_senders
        if senders is None:
            senders = top.trusted_senders
        signature = table.signature if table.signature is not None else top.signature
        return HostedDomain(
            name=name,
            trust=table.trust or top.trust or "none",
            trusted_senders=tuple(senders or ()),
            signature=signature or "",
            selector=table.dkim_selector or top.dkim_selector or values.DEFAULT_SELECTOR,
            algorithms=tuple(table.dkim.algorithms or ("rsa-sha256",)),
            rotate_every=table.dkim.rotate_every,
            protect=table.lifecycle.protect,
        )


def given(table: Table, *but: str) -> dict[str, Any]:
    """What a table sets, as the arguments of its value: what it does not set has a default."""
    set_here = ((key, getattr(table, key)) for key in table.model_fields_set if key not in but)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in set_here}


def hook_name(table: HookTable) -> HookName:
    """The name that a hook has, or the one that follows from what it does."""
    if table.name is not None:
        return table.name
    return HookName.derived(table.event, table.cmd, fire_on_untrusted=table.fire_on_untrusted)


def _hook(table: HookTable) -> values.Hook:
    return values.Hook(
        name=hook_name(table),
        event=table.event,
        cmd=tuple(table.cmd),
        timeout=timedelta(seconds=table.timeout_secs),
        fire_on_untrusted=table.fire_on_untrusted,
        fire_on_automated=table.fire_on_automated,
    )


def _identity(declared: Declared[Any, IdentityTable], default: Domain) -> Identity:
    table = declared.table
    webhook = table.webhook
    return Identity(
        slug=declared.name,
        name=table.name,
        url=table.url,
        mailboxes=tuple(mentioned(text, default) for text in table.mailboxes),
        webhook=values.Webhook(webhook.url, tuple(webhook.events)) if webhook else None,
    )


def resolve(draft: Draft, sources: tuple[Source, ...]) -> Desired:
    """What a draft without errors desires, with every default in its place."""
    top, layers, default = draft.top, Layers(draft), draft.domains[0].name
    service = {"domains": (default,), **given(top.policy.self_service)}
    return Desired(
        domains=layers.domains(),
        mailboxes={text: layers.mailbox(box) for text, box in draft.addresses.items()},
        identities={box.name.text: _identity(box, default) for box in draft.identities},
        moved=tuple(values.Moved(move.table.source, move.table.target) for move in draft.moved),
        removed=tuple(
            values.Removed(removal.table.address, removal.table.data) for removal in draft.removed
        ),
        smtp=values.Smtp(**{"hostname": default, **given(top.smtp)}),
        tls=values.Tls(**given(top.tls, "acme")),
        outbound=values.Outbound(**given(top.outbound)),
        dns=values.Dns(**given(top.dns, "provider", "settings")),
        http=values.Http(**given(top.http)),
        controller=values.Controller(**given(top.controller)),
        policy=values.Policy(
            self_service=values.SelfService(**service), **given(top.policy, "self_service")
        ),
        limits=layers.limits,
        metrics=values.Metrics(**given(top.metrics)),
        log=values.Log(**given(top.log)),
        users=values.ServerUsers(
            **{key: owner.text for key, owner in given(top.server.users).items()}
        ),
        enable_ipv6=bool(top.enable_ipv6),
        verify_host=top.verify_host,
        data_dir=top.data_dir,
        digest=digest(sources),
        sources=sources,
        spellings=dict(_spellings(draft)),
    )


def _spellings(draft: Draft) -> Iterator[tuple[KeyPath, tuple[str, KeyPath]]]:
    """Where what is called by its canonical name stands under another."""
    named: list[tuple[str, Declared[Any, Any]]] = [
        *(("mailboxes", mailbox) for mailbox in draft.mailboxes),
        *(("domain", override) for override in draft.overrides),
        *(("domains", domain) for domain in draft.domains),
    ]
    for kind, declared in named:
        canonical = (kind, str(declared.name))
        if declared.path != canonical:
            yield canonical, (declared.source.name, declared.path)
    for removal in draft.removed:
        yield ("removed", str(removal.table.address)), (removal.source.name, removal.path)
