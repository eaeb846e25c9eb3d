"""The engine config back to what it was compiled from, without asking whether it fits.

Only for a config that this very program compiled and nobody has touched since: it is canonical,
so that each value is as its type writes it. Whatever else may be wrong with a file, `manifest.read`
tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, TypeVar

import tomli

from desired import desired as values
from desired.desired import Desired, HostedDomain, Identity, Mailbox
from desired.frozen import replace
from desired.names import Address, Domain, Glob, HookName, LocalPart, Selector, Slug
from desired.quantities import Endpoint, parse_duration
from desired.relay import Relay, SecretReference

T = TypeVar("T")

Tables = Mapping[str, Any]

# What is more than its text, by how `desired.desired` writes its type.
_READ: Mapping[str, Callable[[str], Any]] = {
    "Address": Address.parse,
    "Domain": Domain.parse,
    "Endpoint": Endpoint.parse,
    "Glob": Glob,
    "HookName": HookName,
    "Network": ip_network,
    "Relay": Relay.parse,
    "SecretReference": SecretReference.parse,
    "Selector": Selector,
    "Slug": Slug,
    "timedelta": parse_duration,
}
# Nearly all that a large config holds. It may have more tables, below its own.
_PLAIN = re.compile(r'\n\[mailboxes\."([^"\\\n]+)"\]\nowner = "([^"\\\n]+)"\n(?=\n|\Z)')
_SECTIONS = ("smtp", "tls", "outbound", "dns", "http", "controller", "log", "limits")


def restored(config: bytes) -> Desired:
    """What an engine config was compiled from, but for its digest and its sources."""
    text = config.decode()
    # A canonical string has no line breaks, so that a line is what it looks like.
    plain = dict(_PLAIN.findall(text))
    tables: Tables = tomli.loads(_PLAIN.sub("", text))
    hosted = {name: _hosted(name, tables["domain"][name]) for name in tables["domains"]}
    sections = {name: tables[name] for name in _SECTIONS if name in tables}
    desired = Desired(
        domains=tuple(hosted.values()),
        mailboxes={},
        policy=_policy(tables["policy"]),
        identities={slug: _identity(slug, table) for slug, table in _in(tables, "identities")},
        moved=tuple(
            values.Moved(_resource(each["from"]), _resource(each["to"]))
            for each in tables.get("moved", ())
        ),
        removed=tuple(
            values.Removed(_resource(each["address"]), each["data"])
            for each in tables.get("removed", ())
        ),
        metrics=_metrics(tables.get("metrics")),
        users=_value(values.ServerUsers, tables["server"]["users"]),
        enable_ipv6=tables["enable_ipv6"],
        verify_host=tables.get("verify_host"),
        data_dir=tables.get("data_dir"),
        **{name: _read(Desired.__annotations__[name], table) for name, table in sections.items()},
    )
    mailboxes = {
        address: _owned(address, owner, hosted, desired.limits) for address, owner in plain.items()
    }
    for address, table in _in(tables, "mailboxes"):
        usual = mailboxes.get(address) or _owned(address, table["owner"], hosted, desired.limits)
        mailboxes[address] = _mailbox(usual, table)
    return replace(desired, mailboxes=mailboxes)


def _owned(
    text: str, owner: str, hosted: Mapping[str, HostedDomain], usual: values.Limits
) -> Mailbox:
    """What a mailbox does not say is as its domain and the whole say it."""
    local, _, name = text.rpartition("@")
    domain = hosted[name]
    address = Address(LocalPart(local), domain.name)
    return Mailbox(address, owner, domain.trust, domain.trusted_senders, limits=usual)


def _mailbox(usual: Mailbox, table: Tables) -> Mailbox:
    senders, limits = table.get("trusted_senders"), table.get("limits")
    return replace(
        usual,
        trust=table.get("trust", usual.trust),
        trusted_senders=usual.trusted_senders if senders is None else tuple(map(Glob, senders)),
        hooks=tuple(map(_hook, table.get("hooks", ()))),
        aliases=tuple(map(Address.parse, table.get("aliases", ()))),
        protect=table.get("lifecycle", {}).get("protect"),
        allow_root_catchall=table.get("allow_root_catchall", False),
        limits=usual.limits if limits is None else _value(values.Limits, limits),
    )


def _hosted(name: str, table: Tables) -> HostedDomain:
    return HostedDomain(
        Domain.parse(name),
        table["trust"],
        tuple(map(Glob, table["trusted_senders"])),
        table["signature"],
        Selector(table["dkim_selector"]),
        tuple(table["dkim"]["algorithms"]),
        _read("timedelta", table["dkim"].get("rotate_every")),
        table.get("lifecycle", {}).get("protect"),
    )


def _hook(table: Tables) -> values.Hook:
    seconds = timedelta(seconds=table["timeout_secs"])
    given = {key: value for key, value in table.items() if key != "timeout_secs"}
    return replace(_value(values.Hook, given), timeout=seconds)


def _identity(slug: str, table: Tables) -> Identity:
    return _value(Identity, {"slug": slug, **table})


def _policy(table: Tables) -> values.Policy:
    kept = {key: value for key, value in table.items() if value != "keep"}
    return _value(values.Policy, kept)


def _metrics(table: Tables | None) -> values.Metrics:
    if table is None:
        return values.Metrics()
    return values.Metrics(_read("Endpoint", table["bind"]) if table["bind"] else None)


def _resource(text: str) -> Address:
    return Address.parse(text.removeprefix("mailbox/"))


def _in(tables: Tables, name: str) -> Any:
    return tables.get(name, {}).items()


def _value(kind: Callable[..., T], table: Tables) -> T:
    types = kind.__annotations__
    return kind(**{key: _read(types[key], value) for key, value in table.items()})


def _read(annotation: str, value: Any) -> Any:
    """A value as the type of its field has it."""
    if isinstance(value, list):
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return tuple(_read(inner, part) for part in value)
    kind = annotation.removesuffix(" | None")
    if isinstance(value, dict):
        return _value(getattr(values, kind), value)
    return _READ[kind](value) if isinstance(value, str) and kind in _READ else value
