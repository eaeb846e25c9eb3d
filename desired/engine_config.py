"""Desired to the canonical config that the engine starts from: every default written out.

It is itself a manifest, so that one reader serves both and equal means equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from desired.desired import Desired, HostedDomain, Identity, Limits, Mailbox, Metrics
from desired.frozen import field, fields, frozen
from desired.itself import once
from desired.quantities import write_duration

_FIRST = b"# aimx engine config: compiled by `aimx apply`; edit the manifest instead.\n"
_SECOND = re.compile(
    rb"# generation ([0-9]{1,18}), manifest sha256:([0-9a-f]{64})?"
    rb"(?:, whole sha256:([0-9a-f]{64}))?\n"
)
# TOML 1.0 names five of the characters that a basic string must escape.
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f]')


@frozen
class Header:
    """Which generation a config is of, and the digest of the manifest behind it."""

    generation: int
    digest: str
    # The digest of all else; empty in what earlier releases wrote.
    whole: str = field(default="", compare=False)


def header(raw: bytes) -> Header | None:
    """What the first lines say; None for a file that was not compiled by us."""
    found = _SECOND.match(raw, len(_FIRST)) if raw.startswith(_FIRST) else None
    if not found:
        return None
    return Header(int(found[1]), (found[2] or b"").decode(), (found[3] or b"").decode())


def is_whole(raw: bytes) -> bool | None:
    """Whether it is as it was written, to the octet; None where it does not say how that was."""
    head = header(raw)
    if head is None or not head.whole:
        return None
    return head.whole == _whole(head.generation, head.digest, raw.split(b"\n", 2)[2])


def render(desired: Desired, generation: int) -> bytes:
    """The config, the same bytes for the same desired state."""
    return headed(desired, generation, body(desired))


@once
def body(desired: Desired) -> bytes:
    """The config without its header: all that the engine runs on."""
    lines = [*_top(desired), *_tables(desired), *_resources(desired)]
    return ("\n".join(lines) + "\n").encode()


def headed(desired: Desired, generation: int, body: bytes) -> bytes:
    """The config of this body, with the header that names its generation and its manifest."""
    whole = _whole(generation, desired.digest, body)
    told = f"# generation {generation}, manifest sha256:{desired.digest}, whole sha256:{whole}\n"
    return _FIRST + told.encode() + body


def _whole(generation: int, digest: str, body: bytes) -> str:
    """What a file that was cut, or one octet of which changed, no longer has."""
    return sha256(b"%d %s\n%s" % (generation, digest.encode(), body)).hexdigest()


def of_version_1(desired: Desired, names: Mapping[str, str]) -> bytes:
    """The config of its one domain as version 1 of the layout was run on, ended by a newline.

    `names` is what each mailbox is called there, by address. What version 1 does not know stands
    there too, since it passes over that; only the domain's table has no place beside its name.
    """
    (domain,) = desired.domains
    lines = [
        *_pairs(
            domain=str(domain.name),
            dkim_selector=domain.selector,
            trust=domain.trust,
            trusted_senders=domain.trusted_senders,
            signature=domain.signature,
            enable_ipv6=desired.enable_ipv6,
            verify_host=desired.verify_host,
            data_dir=desired.data_dir,
        ),
        *_tables(desired),
    ]
    for address, mailbox in desired.mailboxes.items():
        table = _mailbox(names[address], mailbox, domain, desired)
        lines += [*table[:2], f"address = {_value(address)}", *table[2:]]
    for identity in desired.identities.values():
        lines += _identity(identity)
    return ("\n".join(lines) + "\n").encode()


def _top(desired: Desired) -> Iterator[str]:
    yield from _pairs(
        domains=[str(domain.name) for domain in desired.domains],
        enable_ipv6=desired.enable_ipv6,
        verify_host=desired.verify_host,
        data_dir=desired.data_dir,
    )


def _tables(desired: Desired) -> Iterator[str]:
    for name in ("smtp", "tls", "outbound", "dns", "http", "controller", "log"):
        yield from _table(name, **_fields(getattr(desired, name)))
    policy = desired.policy
    retention = policy.tombstone_retention
    kept = {"tombstone_retention": "keep" if retention is None else retention}
    yield from _table("policy", **{**_fields(policy, "self_service"), **kept})
    yield from _table("policy.self_service", **_fields(policy.self_service))
    # Written where somebody set them, so that where nobody does the config stays as it is.
    if desired.limits != Limits():
        yield from _table("limits", **_fields(desired.limits))
    if desired.metrics != Metrics():
        yield from _table("metrics", bind=desired.metrics.bind or "")
    yield from _table("server.users", **_fields(desired.users))


def _resources(desired: Desired) -> Iterator[str]:
    domains = {domain.name.ascii: domain for domain in desired.domains}
    for domain in desired.domains:
        yield from _domain(domain)
    for address, mailbox in sorted(desired.mailboxes.items()):
        yield from _mailbox(address, mailbox, domains[mailbox.address.domain.ascii], desired)
    for identity in desired.identities.values():
        yield from _identity(identity)
    for move in desired.moved:
        yield from _table(
            "[moved]", **{"from": f"mailbox/{move.source}", "to": f"mailbox/{move.target}"}
        )
    for removal in desired.removed:
        yield from _table("[removed]", address=f"mailbox/{removal.address}", data=removal.data)


def _domain(domain: HostedDomain) -> Iterator[str]:
    name = f"domain.{_value(str(domain.name))}"
    yield from _table(
        name,
        trust=domain.trust,
        trusted_senders=domain.trusted_senders,
        signature=domain.signature,
        dkim_selector=domain.selector,
    )
    yield from _table(
        f"{name}.dkim", algorithms=domain.algorithms, rotate_every=domain.rotate_every
    )
    if domain.protect is not None:
        yield from _table(f"{name}.lifecycle", protect=domain.protect)


def _mailbox(address: str, mailbox: Mailbox, domain: HostedDomain, desired: Desired) -> list[str]:
    """Only what its domain and the whole do not say already: ten thousand repeat it."""
    name = f"mailboxes.{_quoted(address)}"
    lines = ["", f"[{name}]", f"owner = {_quoted(mailbox.owner)}"]
    # Most say no more, which is told by a look at each.
    if mailbox.trust != domain.trust:
        lines.append(f"trust = {_quoted(mailbox.trust)}")
    if mailbox.trusted_senders != domain.trusted_senders:
        lines.append(f"trusted_senders = {_value(mailbox.trusted_senders)}")
    if mailbox.aliases:
        lines.append(f"aliases = {_value(mailbox.aliases)}")
    if mailbox.allow_root_catchall:
        lines.append("allow_root_catchall = true")
    for hook in mailbox.hooks:
        lines += _table(
            f"[{name}.hooks]",
            event=hook.event,
            cmd=hook.cmd,
            name=hook.name,
            timeout_secs=int(hook.timeout.total_seconds()),
            fire_on_untrusted=hook.fire_on_untrusted,
            fire_on_automated=None if hook.fire_on_automated else False,
        )
    if mailbox.protect is not None:
        lines += _table(f"{name}.lifecycle", protect=mailbox.protect)
    if mailbox.limits != desired.limits:
        lines += _table(f"{name}.limits", **_fields(mailbox.limits))
    return lines


def _identity(identity: Identity) -> Iterator[str]:
    name = f"identities.{identity.slug}"
    yield from _table(name, **_fields(identity, "slug", "webhook"))
    if identity.webhook:
        yield from _table(f"{name}.webhook", **_fields(identity.webhook))


def _fields(value: Any, *but: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in fields(value) if name not in but}


def _table(name: str, /, **pairs: Any) -> list[str]:
    return ["", f"[{name}]", *_pairs(**pairs)]


def _pairs(**pairs: Any) -> list[str]:
    """A line for each key that has a value; TOML has no way to write None."""
    return [f"{key} = {_value(value)}" for key, value in pairs.items() if value is not None]


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case timedelta():
            return _quoted(write_duration(value))
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return _quoted(str(value))


def _quoted(text: str) -> str:
    if not _UNSAFE.search(text):
        return f'"{text}"'
    return f'"{_UNSAFE.sub(lambda found: _escaped(found[0]), text)}"'


def _escaped(character: str) -> str:
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"
