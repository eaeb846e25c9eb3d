"""A domain gets a key, or signs with another one that it has."""

from __future__ import annotations

import re

from aimx.controller.amendments import MakeKey, SetSelector
from aimx.controller.edits.edits import Edits
from aimx.controller.edits.manifest import Manifest, unlisted
from aimx.controller.refusal import EditError
from desired.desired import Desired, HostedDomain, published
from desired.edit import Put
from desired.names import InvalidNameError, Selector
from reconcilers.renewing import Renewal
from reconcilers.signing import KeyFiles

_ADDRESS = re.compile(r"dkim/(?P<domain>[^/]+)/(?P<selector>[^/]+)")


def made(it: MakeKey, manifest: Manifest) -> Edits:
    domain = configured(it.domain, manifest) if it.domain else manifest.desired.domains[0]
    selector = parsed(it.selector) if it.selector else domain.selectors[domain.principal]
    address = frozenset({f"dkim/{domain.name}/{selector}"})
    replacing = address if it.force else frozenset[str]()
    return Edits((), about=address, renewal=Renewal(address, replacing))


def switched(it: SetSelector, manifest: Manifest) -> Edits:
    domain, selector = configured(it.domain, manifest), parsed(it.selector)
    if domain.selector == selector:
        raise EditError(f"'{domain.name}' signs with the key of '{selector}' already", "DOMAIN")
    address = f"{domain.name}/{published(selector, domain.principal)}"
    files = KeyFiles.labelled(manifest.roots.keys(domain.name.ascii), str(selector))
    if manifest.host.look(files.private) is None:
        raise EditError(
            f"there is no key {files.private}; `aimx dkim-keygen --domain {domain.name} --selector"
            f" {selector}` makes it"
        )
    return Edits(
        (
            (
                _home(domain, manifest),
                Put((*_override(domain, manifest), "dkim_selector"), str(selector)),
            ),
        ),
        about=frozenset({f"dkim/{address}"}),
    )


def require_known(renewal: Renewal, desired: Desired) -> None:
    """Raises `EditError` where one is no address of a key, or of a domain that is not ours."""
    for address in sorted({*renewal.making, *renewal.replacing}):
        parts = _ADDRESS.fullmatch(address)
        if not parts:
            raise EditError(f"'{address}' is no address of a key: dkim/DOMAIN/SELECTOR")
        parsed(parts["selector"])
        if desired.domain(parts["domain"]) is None:
            raise unlisted(parts["domain"])


def configured(text: str, manifest: Manifest, remedy: str = "") -> HostedDomain:
    """The domain that is meant; raises `EditError`, which says how to add it, or `remedy`."""
    name = manifest.domain(text)
    domain = manifest.desired.domain(name.ascii)
    if domain is None:
        raise unlisted(name.ascii, remedy)
    return domain


def _home(domain: HostedDomain, manifest: Manifest) -> str:
    """The file with the domain's table, or where one is to come."""
    return next((name for name, _ in manifest.overrides(domain.name)), manifest.main)


def _override(domain: HostedDomain, manifest: Manifest) -> tuple[str | int, ...]:
    return next(
        (path for _, path in manifest.overrides(domain.name)), ("domain", domain.name.ascii)
    )


def parsed(text: str) -> Selector:
    """The selector that is meant; raises `EditError`."""
    try:
        return Selector.parse(text)
    except InvalidNameError as cause:
        told = f"DKIM selector '{text}' is not a valid DNS label (allowed: [a-z0-9_-]+)"
        raise EditError(told, "VALIDATION") from cause
