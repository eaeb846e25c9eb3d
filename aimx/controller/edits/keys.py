"""A domain gets a key, or signs with another one that it has."""

from __future__ import annotations

import re

from aimx.controller.amendments import MakeKey, SetSelector
from aimx.controller.edits.found import Edits, Found
from aimx.controller.refusal import EditError
from desired.desired import Desired, HostedDomain, published
from desired.edit import Put
from desired.names import InvalidNameError, Selector
from reconcilers.renewing import Renewal
from reconcilers.signing import KeyFiles

_ADDRESS = re.compile(r"dkim/(?P<domain>[^/]+)/(?P<selector>[^/]+)")


def made(it: MakeKey, found: Found) -> Edits:
    domain = configured(it.domain, found) if it.domain else found.desired.domains[0]
    selector = parsed(it.selector) if it.selector else domain.selectors[domain.principal]
    address = frozenset({f"dkim/{domain.name}/{selector}"})
    replacing = address if it.force else frozenset[str]()
    return Edits((), about=address, renewal=Renewal(address, replacing))


def switched(it: SetSelector, found: Found) -> Edits:
    domain, selector = configured(it.domain, found), parsed(it.selector)
    if domain.selector == selector:
        raise EditError(f"'{domain.name}' signs with the key of '{selector}' already", "DOMAIN")
    address = f"{domain.name}/{published(selector, domain.principal)}"
    files = KeyFiles.labelled(found.roots.keys(domain.name.ascii), str(selector))
    if found.host.look(files.private) is None:
        raise EditError(
            f"there is no key {files.private}; `aimx dkim-keygen --domain {domain.name} --selector"
            f" {selector}` makes it"
        )
    return Edits(
        ((_home(domain, found), Put((*_override(domain, found), "dkim_selector"), str(selector))),),
        about=frozenset({f"dkim/{address}"}),
    )


def require_known(renewal: Renewal, desired: Desired) -> None:
    """Raises `EditError` where one is no address of a key, or of a domain that is not ours."""
    for address in sorted({*renewal.making, *renewal.replacing}):
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise EditError(f"'{address}' is no address of a key: dkim/DOMAIN/SELECTOR")
        parsed(found["selector"])
        if desired.domain(found["domain"]) is None:
            raise _unknown(found["domain"])


def _unknown(name: str) -> EditError:
    told = f"domain '{name}' is not in 'domains'; add it with 'aimx domains add {name}'"
    return EditError(told, "DOMAIN")


def configured(text: str, found: Found) -> HostedDomain:
    """The domain that is meant; raises `EditError`."""
    name = found.domain(text)
    domain = found.desired.domain(name.ascii)
    if domain is None:
        raise _unknown(name.ascii)
    return domain


def _home(domain: HostedDomain, found: Found) -> str:
    """The file with the domain's table, or where one is to come."""
    return next((name for name, _ in found.overrides(domain.name)), found.manifest)


def _override(domain: HostedDomain, found: Found) -> tuple[str | int, ...]:
    return next((path for _, path in found.overrides(domain.name)), ("domain", domain.name.ascii))


def parsed(text: str) -> Selector:
    """The selector that is meant; raises `EditError`."""
    try:
        return Selector.parse(text)
    except InvalidNameError as cause:
        told = f"DKIM selector '{text}' is not a valid DNS label (allowed: [a-z0-9_-]+)"
        raise EditError(told, "VALIDATION") from cause
