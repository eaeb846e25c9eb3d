"""What must hold between the domains of a manifest, and between its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from desired.alike import nearest_domain
from desired.desired import DEFAULT_SELECTOR, Algorithm, published
from desired.draft import Declared, Draft
from desired.finding import Finding, where
from desired.names import Domain
from desired.schema import DomainTable

_IN_FRAGMENTS = frozenset({"domains", "domain", "mailboxes", "identities", "moved", "removed"})


def fragments_declare_resources_alone(draft: Draft) -> Iterator[Finding]:
    """What holds for the whole install stands in one place."""
    for source, file in draft.fragments:
        for key in sorted(file.model_fields_set):
            if key not in _IN_FRAGMENTS or (key == "domain" and isinstance(file.domain, Domain)):
                text = f"`{key}` cannot stand in a fragment"
                hint = f"move it to {draft.source.name}"
                yield Finding(source, (key,), "fragment-key", text, hint, meant="key")


def domains_are_listed_one_way(draft: Draft) -> Iterator[Finding]:
    """A manifest lists its domains, or is a legacy one and names one."""
    if draft.top.domain is not None and not isinstance(draft.top.domain, dict):
        if draft.top.domains is not None:
            text = "specify either 'domain' (singular, legacy) or 'domains' (plural), not both"
            yield Finding(draft.source, ("domain",), "domain-twice", text, meant="key")
    elif not draft.domains and draft.top.domains is not None:
        text = "`domains` must contain at least one entry"
        yield Finding(draft.source, ("domains",), "no-domain", text)
    elif not draft.domains:
        text = (
            'missing required field: set either `domain = "..."` (legacy) or'
            f' `domains = ["a.com", ...]` (canonical) in {draft.source.name}'
        )
        yield Finding(draft.source, (), "no-domain", text)


def a_domain_is_listed_once(draft: Draft) -> Iterator[Finding]:
    """Two ways of writing one domain are one domain."""
    first: dict[Domain, Declared[Domain, None]] = {}
    for domain in draft.domains:
        earlier = first.setdefault(domain.name, domain)
        if earlier is not domain and ("domain",) not in (earlier.path, domain.path):
            text = f"duplicate domain '{domain.name}' in `domains` (case-insensitive)"
            hint = f"first listed at {where(earlier.source, earlier.path)}"
            yield Finding(domain.source, domain.path, "duplicate", text, hint)


def overrides_are_of_listed_domains(draft: Draft) -> Iterator[Finding]:
    """An override of a domain that nobody lists would never hold."""
    listed = frozenset(domain.name.ascii for domain in draft.domains)
    first: dict[Domain, Declared[Domain, DomainTable]] = {}
    for override in draft.overrides:
        name = override.name
        if listed and name.ascii not in listed:
            text = (
                f'per-domain override `[domain."{name}"]` references a domain not listed in'
                f" `domains = [...]`; add '{name}' to `domains` or remove the sub-table"
            )
            near = nearest_domain(name.ascii, listed)
            hint = f'did you mean `[domain."{near}"]`?' if near else ""
            yield Finding(
                override.source, override.path, "unlisted-domain", text, hint, meant="key"
            )
        earlier = first.setdefault(name, override)
        if earlier is not override:
            text = f'`[domain."{name}"]` is declared twice'
            hint = f"first declared at {where(earlier.source, earlier.path)}"
            yield Finding(override.source, override.path, "duplicate", text, hint, meant="key")


def a_key_has_a_name_in_the_dns(draft: Draft) -> Iterator[Finding]:
    """RFC 6376 3.6.2.1: a key is looked up under its selector, before the domain."""
    own = {each.name: each for each in draft.overrides if each.table.dkim_selector is not None}
    top = draft.top.dkim_selector
    for domain in draft.domains:
        override = own.get(domain.name)
        source, path = (override.source, override.path) if override else (draft.source, ())
        selector = override.table.dkim_selector if override else top
        # RFC 1035 2.3.4.
        if selector is not None and len(f"{selector}._domainkey.{domain.name}") > 253:
            text = f"`<selector>._domainkey.{domain.name}` would have more than 253 characters"
            yield Finding(source, (*path, "dkim_selector"), "name", text, "choose a shorter one")


def a_second_key_has_a_name_as_well(draft: Draft) -> Iterator[Finding]:
    """What is added to the selector for it fits into a label, and into a name (RFC 1035 2.3.4)."""
    for override in draft.overrides:
        if "ed25519-sha256" in _algorithms(override):
            said = override.table.dkim_selector or draft.top.dkim_selector or DEFAULT_SELECTOR
            selector = published(said, "ed25519-sha256")
            name = f"{selector}._domainkey.{override.name}"
            if len(name) > 253 or max(map(len, name.split("."))) > 63:
                path = (*override.path, "dkim", "algorithms")
                text = f"the Ed25519 key would be published as `{name}`, which is too long"
                hint = "choose a shorter `dkim_selector`"
                yield Finding(override.source, path, "name", text, hint)


def mail_is_signed_with_what_others_check(draft: Draft) -> Iterator[Finding]:
    """RFC 8463 6: what checks no Ed25519 signature takes mail with that alone for unsigned."""
    for override in draft.overrides:
        if set(_algorithms(override)) == {"ed25519-sha256"}:
            path = (*override.path, "dkim", "algorithms")
            text = "many receivers check no Ed25519 signatures, and this domain has no others"
            hint = 'write `algorithms = ["rsa-sha256", "ed25519-sha256"]`'
            yield Finding(override.source, path, "ed25519-alone", text, hint, "warning")


def _algorithms(override: Declared[Domain, DomainTable]) -> Sequence[Algorithm]:
    return override.table.dkim.algorithms or ("rsa-sha256",)


def agents_declare_on_listed_domains(draft: Draft) -> Iterator[Finding]:
    """Self-service on a domain that is not ours would promise mail that never comes."""
    listed = {domain.name for domain in draft.domains}
    for index, name in enumerate(draft.top.policy.self_service.domains or ()):
        if listed and name not in listed:
            path = ("policy", "self_service", "domains", index)
            text = f"domain '{name}' is not in `domains = [...]`"
            yield Finding(draft.source, path, "unlisted-domain", text, "add it, or remove it here")


def a_certificate_has_its_files(draft: Draft) -> Iterator[Finding]:
    """Mode `files` needs both, and no other mode reads them."""
    tls = draft.top.tls
    for key in ("cert", "key"):
        given = key in tls.model_fields_set
        if tls.mode == "files" and not given:
            text = f'`tls.mode = "files"` needs `{key}`'
            yield Finding(draft.source, ("tls", "mode"), "tls-files", text, f"add `{key} = ...`")
        elif given and not (getattr(tls, key) or "").startswith("/"):
            text = f"`tls.{key}` must be an absolute path"
            yield Finding(draft.source, ("tls", key), "tls-files", text)
        elif tls.mode != "files" and given:
            text = f'`tls.{key}` is read with `mode = "files"` only'
            yield Finding(draft.source, ("tls", key), "tls-files", text, 'add `mode = "files"`')


def a_relay_has_user_and_password(draft: Draft) -> Iterator[Finding]:
    """One without the other lets nobody in."""
    outbound = draft.top.outbound
    user = outbound.relay.user if outbound.relay else ""
    if user and outbound.relay_password is None:
        text = f"the relay knows us as {user}, and `outbound.relay_password` is missing"
        hint = 'add `relay_password = "file:/etc/aimx/relay.password"`, or remove the user'
        yield Finding(draft.source, ("outbound", "relay"), "relay-password", text, hint)
    elif outbound.relay_password is not None and not user:
        text = "`outbound.relay_password` is for a relay with a user"
        hint = 'write the user into it: `relay = "smtps://user@host:465"`'
        yield Finding(draft.source, ("outbound", "relay_password"), "relay-password", text, hint)


def an_endpoint_is_listened_at_once(draft: Draft) -> Iterator[Finding]:
    """The second socket would find the first in its place, and the daemon would not start."""
    for name, table in (("smtp", draft.top.smtp), ("http", draft.top.http)):
        bind = table.bind or []
        for index, endpoint in enumerate(bind):
            # Port 0 is another one each time.
            if endpoint.port and endpoint in bind[:index]:
                text = f"'{endpoint}' is in `{name}.bind` already"
                yield Finding(draft.source, (name, "bind", index), "duplicate", text, "remove it")


# RFC 5321 4.5.3.1.4 and 4.5.3.1.6: what everybody must take, in octets with the line's end.
_LINES = (("max_command_line", 512), ("max_text_line", 1000))


def lines_have_the_room_that_the_protocol_asks_for(draft: Draft) -> Iterator[Finding]:
    """A size may be written in two ways, and a JSON Schema bounds but one of them."""
    for key, least in _LINES:
        said = getattr(draft.top.smtp, key)
        if said is not None and said < least:
            text = f"`smtp.{key}` must be {least} at least, not {said}"
            yield Finding(draft.source, ("smtp", key), "line-limit", text)


def the_postmaster_is_reachable(draft: Draft) -> Iterator[Finding]:
    """RFC 5321 4.5.1, RFC 2142 5: whoever receives mail has a postmaster."""
    default = draft.default
    if default is None:
        return
    reachable = {f"postmaster@{default}", f"*@{default}"}
    aliases = {str(alias) for mailbox in draft.aliased for alias in mailbox.table.aliases}
    if not reachable & (draft.addresses.keys() | aliases):
        text = f"nobody reads postmaster@{default}, which every mail exchanger must have"
        hint = "declare it, or make it an alias of a mailbox"
        place = draft.domains[0]
        yield Finding(place.source, place.path, "postmaster-missing", text, hint, "warning")


def retired_tables_are_ignored(draft: Draft) -> Iterator[Finding]:
    """The one table of the older system that has no meaning left."""
    if draft.top.upgrade is not None:
        text = "[upgrade] is ignored: packages bring new versions"
        yield Finding(
            draft.source, ("upgrade",), "ignored", text, "remove it", "warning", meant="key"
        )


RULES = (
    fragments_declare_resources_alone,
    domains_are_listed_one_way,
    a_domain_is_listed_once,
    overrides_are_of_listed_domains,
    a_key_has_a_name_in_the_dns,
    a_second_key_has_a_name_as_well,
    mail_is_signed_with_what_others_check,
    agents_declare_on_listed_domains,
    a_certificate_has_its_files,
    a_relay_has_user_and_password,
    an_endpoint_is_listened_at_once,
    lines_have_the_room_that_the_protocol_asks_for,
    the_postmaster_is_reachable,
    retired_tables_are_ignored,
)
