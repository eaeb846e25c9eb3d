"""A domain comes, goes, or becomes the default one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aimx.controller.amendments import AddDomain, RemoveDomain, SetDefault
from aimx.controller.edits.found import Edits, Found
from aimx.controller.edits.keys import parsed
from aimx.controller.refusal import EditError
from desired.edit import Append, Delete, Edit, Lead, Put, Remove
from desired.names import Domain
from desired.problem import KeyPath


def added(it: AddDomain, found: Found) -> Edits:
    domain, selector = found.domain(it.domain), parsed(it.selector) if it.selector else None
    if found.desired.domain(domain.ascii):
        raise EditError(
            f"domain '{domain}' is already configured; `aimx domains list` lists them", "DOMAIN"
        )
    found.require_list()
    changes: list[Edit] = [Append(("domains",), domain.ascii)]
    if selector is not None:
        changes.append(Put(("domain", domain.ascii, "dkim_selector"), str(selector)))
    name = str(selector or "")
    return Edits(
        tuple((found.manifest, change) for change in changes),
        about=frozenset({f"domain/{domain}", f"dkim/{domain}/{name}" if name else "dkim"}),
    )


def made_default(it: SetDefault, found: Found) -> Edits:
    domain = found.domain(it.domain)
    _require_configured(domain, found)
    if found.desired.default_domain == domain:
        raise EditError(f"domain '{domain}' is the default domain already", "DOMAIN")
    found.require_list()
    found.require_full_names("another default domain")
    ((name, spelled),) = found.listed(domain)
    if name != found.manifest:
        raise EditError(
            f"{name} lists '{domain}', and what a fragment lists comes behind {found.manifest}:"
            f' take "{spelled}" out there by hand, and write it first in {found.manifest}'
        )
    return Edits(((name, Lead(("domains",), spelled)),))


def removed(it: RemoveDomain, found: Found) -> Edits:
    domain = found.domain(it.domain)
    _require_configured(domain, found)
    if len(found.desired.domains) == 1:
        raise EditError(
            f"cannot remove '{domain}': it is the last configured domain. An AIMX install must"
            " have at least one domain. Use `aimx uninstall` for a full teardown.",
            "DOMAIN",
        )
    found.require_list()
    if found.desired.default_domain == domain:
        found.require_full_names("removing the default domain")
    if not it.force:
        _require_empty(domain, found)
    gone = {f"mailbox/{name}" for name in _mailboxes(domain, found)}
    return Edits(
        tuple(_removals(domain, found)),
        about=frozenset({*gone, f"domain/{domain}"}),
        going=frozenset({*gone, f"domain/{domain}"}),
    )


def _require_configured(domain: Domain, found: Found) -> None:
    if found.desired.domain(domain.ascii) is None:
        raise EditError(
            f"domain '{domain}' is not configured; `aimx domains list` lists those that are",
            "DOMAIN",
        )


def _require_empty(domain: Domain, found: Found) -> None:
    names = sorted({*_mailboxes(domain, found), *_aliases(domain, found)})
    if names:
        listed = "\n".join(f"{number:3}. {name}" for number, name in enumerate(names, start=1))
        raise EditError(
            f"domain '{domain}' has {len(names)} mailbox{'es' if len(names) > 1 else ''}:\n"
            f"{listed}\nrefused: domain has mailboxes; rerun with --force to cascade",
            "DOMAIN",
        )


def _mailboxes(domain: Domain, found: Found) -> set[str]:
    """Also those that left the manifest and wait to go: nothing of a domain outlives it."""
    known = [found.desired, found.applied]
    return {
        name
        for desired in known
        if desired is not None
        for name, mailbox in desired.mailboxes.items()
        if mailbox.address.domain == domain
    }


def _aliases(domain: Domain, found: Found) -> Iterator[str]:
    for name, mailbox in found.desired.mailboxes.items():
        for alias in mailbox.aliases:
            if alias.domain == domain and mailbox.address.domain != domain:
                yield f"{alias}, an alias of {name}"


def _removals(domain: Domain, found: Found) -> Iterator[tuple[str, Edit]]:
    """What stands on a domain goes before the domain does."""
    for name, path, address, table in found.mailboxes():
        if address.domain == domain:
            yield name, Delete(path)
            yield from found.leading_to(address)
        else:
            yield from _without_aliases(domain, (name, path), table, found)
    for name, path in found.overrides(domain):
        yield name, Delete(path)
    policy = found.tables[found.manifest].get("policy", {})
    for spelled in policy.get("self_service", {}).get("domains", ()):
        if found.domain(spelled) == domain:
            yield found.manifest, Remove(("policy", "self_service", "domains"), spelled)
    for name, spelled in found.listed(domain):
        yield name, Remove(("domains",), spelled)


def _without_aliases(
    domain: Domain, place: tuple[str, KeyPath], table: Mapping[str, Any], found: Found
) -> Iterator[tuple[str, Edit]]:
    name, path = place
    for alias in table.get("aliases", ()):
        if found.address(alias).domain == domain:
            yield name, Remove((*path, "aliases"), alias)
