"""What must hold of identities."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from desired.draft import Declared, Draft
from desired.finding import Finding, where
from desired.legacy import mentioned
from desired.names import InvalidNameError, Slug
from desired.problem import KeyPath, Source
from desired.schema import IdentityTable

_PORTS = {"https": 443, "http": 80}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def identities_use_declared_mailboxes(draft: Draft) -> Iterator[Finding]:
    """A token for a mailbox that is not there would show nothing, silently."""
    for identity in draft.identities:
        for index, text in enumerate(identity.table.mailboxes):
            place = (*identity.path, "mailboxes", index)
            try:
                known = str(mentioned(text, draft.default)) in draft.addresses
            except InvalidNameError as cause:
                yield Finding(identity.source, place, "name", str(cause))
                continue
            if not known:
                said = f"no mailbox is called '{text}'"
                yield Finding(identity.source, place, "unknown-mailbox", said, "declare it first")


def an_identity_is_declared_once(draft: Draft) -> Iterator[Finding]:
    """By its slug, and by the host that leads to it."""
    slugs: dict[Slug, Declared[Slug, IdentityTable]] = {}
    hosts: dict[str, tuple[Source, KeyPath]] = {}
    for identity in draft.identities:
        earlier = slugs.setdefault(identity.name, identity)
        if earlier is not identity:
            text = f"identity '{identity.name}' is declared twice"
            hint = f"first declared at {where(earlier.source, earlier.path)}"
            yield Finding(identity.source, identity.path, "duplicate", text, hint, meant="key")
        place = (identity.source, (*identity.path, "url"))
        host = _host(identity.table.url)
        if host and (first := hosts.setdefault(host, place)) is not place:
            text = f"host '{host}' leads to another identity already"
            yield Finding(*place, "duplicate", text, f"first named at {where(*first)}")


def an_identity_is_reached_safely(draft: Draft) -> Iterator[Finding]:
    """Tokens travel over HTTPS; plain HTTP stays on this machine."""
    for identity in draft.identities:
        urls: list[tuple[KeyPath, str]] = [(("url",), identity.table.url)]
        if identity.table.webhook:
            urls.append((("webhook", "url"), identity.table.webhook.url))
        for key, url in urls:
            if not _is_safe(url):
                text = f"'{url}' is not an https URL (http is for loopback only)"
                yield Finding(identity.source, (*identity.path, *key), "url", text)


def _host(url: str) -> str:
    """The authority that requests for the URL name; empty where it has none."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    usual = port in (None, _PORTS.get(parts.scheme))
    return name if usual or not name else f"{name}:{port}"


def _is_safe(url: str) -> bool:
    host = _host(url)
    if not host or "@" in url or any(character <= " " for character in url):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


RULES = (
    identities_use_declared_mailboxes,
    an_identity_is_declared_once,
    an_identity_is_reached_safely,
)
