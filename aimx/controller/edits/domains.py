"""A domain comes, goes, or becomes the default one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aimx.controller.amendments import AddDomain, RemoveDomain, SetDefault
from aimx.controller.edits.edits import Edits
from aimx.controller.edits.keys import configured, parsed
from aimx.controller.edits.manifest import Manifest
from aimx.controller.refusal import EditError
from desired.edit import Append, Delete, Edit, Lead, Put, Remove
from desired.names import Domain
from desired.problem import KeyPath
from reconcilers.counted import counted
from reconcilers.safety import needs_a_domain


def added(it: AddDomain, manifest: Manifest) -> Edits:
    domain, selector = manifest.domain(it.domain), parsed(it.selector) if it.selector else None
    if manifest.desired.domain(domain.ascii):
        raise EditError(
            f"domain '{domain}' is already configured; `aimx domains list` lists them", "DOMAIN"
        )
    manifest.require_list()
    changes: list[Edit] = [Append(("domains",), domain.ascii)]
    if selector is not None:
        changes.append(Put(("domain", domain.ascii, "dkim_selector"), str(selector)))
    name = str(selector or "")
    return Edits(
        tuple((manifest.main, change) for change in changes),
        about=frozenset({f"domain/{domain}", f"dkim/{domain}/{name}" if name else "dkim"}),
    )


def made_default(it: SetDefault, manifest: Manifest) -> Edits:
    domain = configured(it.domain, manifest).name
    if manifest.desired.default_domain == domain:
        raise EditError(f"domain '{domain}' is the default domain already", "DOMAIN")
    manifest.require_list()
    manifest.require_full_names("another default domain")
    ((name, spelled),) = manifest.listed(domain)
    if name != manifest.main:
        raise EditError(
            f"{name} lists '{domain}', and what a fragment lists comes behind {manifest.main}:"
            f' take "{spelled}" out there by hand, and write it first in {manifest.main}'
        )
    return Edits(((name, Lead(("domains",), spelled)),))


def removed(it: RemoveDomain, manifest: Manifest) -> Edits:
    domain = configured(it.domain, manifest, "'aimx domains list' lists those that are").name
    if len(manifest.desired.domains) == 1:
        raise EditError(needs_a_domain(domain, manifest.roots), "DOMAIN")
    manifest.require_list()
    if manifest.desired.default_domain == domain:
        manifest.require_full_names("removing the default domain")
    if not it.force:
        _require_empty(domain, manifest)
    gone = {f"mailbox/{name}" for name in _mailboxes(domain, manifest)}
    return Edits(
        tuple(_removals(domain, manifest)),
        about=frozenset({*gone, f"domain/{domain}"}),
        going=frozenset({*gone, f"domain/{domain}"}),
    )


def _require_empty(domain: Domain, manifest: Manifest) -> None:
    names = sorted({*_mailboxes(domain, manifest), *_aliases(domain, manifest)})
    if names:
        listed = "\n".join(f"{number:3}. {name}" for number, name in enumerate(names, start=1))
        raise EditError(
            f"domain '{domain}' has {counted(len(names), 'mailbox', 'mailboxes')}:\n"
            f"{listed}\nrefused: domain has mailboxes; rerun with --force to cascade",
            "DOMAIN",
        )


def _mailboxes(domain: Domain, manifest: Manifest) -> set[str]:
    """Also those that left the manifest and wait to go: nothing of a domain outlives it."""
    known = [manifest.desired, manifest.applied]
    return {
        name
        for desired in known
        if desired is not None
        for name, mailbox in desired.mailboxes.items()
        if mailbox.address.domain == domain
    }


def _aliases(domain: Domain, manifest: Manifest) -> Iterator[str]:
    for name, mailbox in manifest.desired.mailboxes.items():
        for alias in mailbox.aliases:
            if alias.domain == domain and mailbox.address.domain != domain:
                yield f"{alias}, an alias of {name}"


def _removals(domain: Domain, manifest: Manifest) -> Iterator[tuple[str, Edit]]:
    """What stands on a domain goes before the domain does."""
    for name, path, address, table in manifest.mailboxes():
        if address.domain == domain:
            yield name, Delete(path)
            yield from manifest.leading_to(address)
        else:
            yield from _without_aliases(domain, (name, path), table, manifest)
    for name, path in manifest.overrides(domain):
        yield name, Delete(path)
    policy = manifest.tables[manifest.main].get("policy", {})
    for spelled in policy.get("self_service", {}).get("domains", ()):
        if manifest.domain(spelled) == domain:
            yield manifest.main, Remove(("policy", "self_service", "domains"), spelled)
    for name, spelled in manifest.listed(domain):
        yield name, Remove(("domains",), spelled)


def _without_aliases(
    domain: Domain, place: tuple[str, KeyPath], table: Mapping[str, Any], manifest: Manifest
) -> Iterator[tuple[str, Edit]]:
    name, path = place
    for alias in table.get("aliases", ()):
        if manifest.address(alias).domain == domain:
            yield name, Remove((*path, "aliases"), alias)
