"""The engine's immutable view of one generation: one reference, swapped whole.

A worker gets it as bytes and never sees the manifest. DKIM keys are not in it: they travel
apart, and only to the signer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from aimx.signing import Signing
from desired.frozen import asdict, field, frozen, replace

Trust = Literal["none", "verified"]
Event = Literal["on_receive", "after_send"]


@frozen
class SnapshotId:
    """Which snapshot: the generation, and the number of the last claim folded into it."""

    generation: int
    claim: int = 0


@frozen
class Route:
    """Where mail for an address goes, and who its owner trusts."""

    mailbox: str  # The mailbox's address; `*@domain` for a catchall.
    domain: str
    folder: str  # The directory's name: the local part, or `catchall`.
    uid: int | None  # None: the owner, or the mailbox's directory, is not there yet.
    trust: Trust = "none"
    trusted_senders: tuple[str, ...] = ()

    @property
    def is_catchall(self) -> bool:
        return self.mailbox.startswith("*@")


class Unrouted(Enum):
    """Why an address leads nowhere."""

    FOREIGN = "foreign"  # The domain is not ours: relaying.
    UNKNOWN = "unknown"  # The domain is ours, and nobody takes mail for this local part.


@frozen
class Limits:
    """What one SMTP client may ask for. Sizes in octets, times in seconds."""

    message_size: int = 25 * 1024 * 1024
    text_line: int = 64 * 1024
    command_line: int = 1024  # Four times that with SMTPUTF8.
    errors: int = 20  # Refusals in one session.
    recipients: int = 100
    connections: int = 100
    connections_per_address: int = 10
    idle_timeout: float = 300.0
    data_timeout: float = 600.0


@frozen
class Receiving:
    """What is done with a message besides keeping it."""

    enforces_dmarc: bool = False  # Refuse what its author's domain asks to have refused.
    keeps_raw: bool = False  # Keep each message as it came, beside what was made of it.


@frozen
class Allowance:
    """What a mailbox may send within 24 hours."""

    sends_per_day: int = 500  # Messages.
    new_recipients_per_day: int = 100  # To whom it has not written before.


@frozen
class Delivery:
    """How mail leaves."""

    port: int = 25
    timeout: float = 60.0  # Seconds.
    ipv6: bool = False
    relay: str = ""  # Who takes all of it, as the manifest says it; empty: the MX that DNS names.
    queues: bool = False  # What cannot be delivered at once waits; else its author is told so.
    max_age: float = 2 * 86400.0  # Seconds that a message waits before it bounces.


@frozen
class Hook:
    """When a command runs. What it runs is the supervisor's to know."""

    name: str
    event: Event
    fire_on_untrusted: bool = False
    fire_on_automated: bool = True


@frozen
class Snapshot:
    """Everything that a process of the engine knows about the world it serves."""

    id: SnapshotId
    hostname: str
    domains: tuple[str, ...]  # The first is the default domain.
    routes: Mapping[str, Route]  # By lower-case address: mailboxes, aliases, and `*@domain`.
    subaddress: str = "+"  # Empty: off.
    limits: Limits = Limits()
    receiving: Receiving = Receiving()
    signing: Mapping[str, Signing] = field(default_factory=dict)  # By domain.
    delivery: Delivery = Delivery()
    allowance: Allowance = Allowance()
    allowances: Mapping[str, Allowance] = field(default_factory=dict)  # Of those with their own.
    former: Mapping[str, str] = field(default_factory=dict)  # Addresses, of those that were moved.
    resolvers: tuple[str, ...] = ()  # `address:port`; empty: the system's.
    dns_timeout: float = 5.0  # Seconds.
    max_signature_age: float = 7 * 86400.0  # Seconds.
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)  # By mailbox; few have any.
    _hosted: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Asked at each RCPT, of which there are many, and of domains perhaps as well.
        object.__setattr__(self, "_hosted", frozenset(self.domains))

    def hooks_on(self, event: Event, mailbox: str) -> tuple[Hook, ...]:
        """Those of the mailbox, in the order of the manifest."""
        hooks = self.hooks.get(mailbox)
        return tuple(hook for hook in hooks if hook.event == event) if hooks else ()

    def allowance_of(self, mailbox: str) -> Allowance:
        return self.allowances.get(mailbox, self.allowance)

    @property
    def default_domain(self) -> str:
        return self.domains[0]

    def route(self, recipient: str) -> Route | Unrouted:
        """Exact mailbox, then subaddress, then postmaster, then catchall; case never matters.

        `postmaster` without a domain is RFC 5321 4.5.1's.
        """
        local, at, domain = recipient.lower().rpartition("@")
        if not at:
            if domain != "postmaster":
                return Unrouted.FOREIGN
            local, domain = domain, self.default_domain
        if domain not in self._hosted:
            return Unrouted.FOREIGN
        if local == "*":
            return Unrouted.UNKNOWN
        return self._within(local, domain) or Unrouted.UNKNOWN

    def _within(self, local: str, domain: str) -> Route | None:
        box, separator, _ = local.partition(self.subaddress) if self.subaddress else ("", "", "")
        found = self.routes.get(f"{local}@{domain}")
        if found is None and separator and box:
            found = self.routes.get(f"{box}@{domain}")
        if found is None:
            found = self.routes.get(f"*@{domain}")
        if found is None and local == "postmaster":
            found = self.routes.get(f"postmaster@{self.default_domain}")
        return found

    def to_bytes(self) -> bytes:
        """A line of JSON for all but the routes, then one for each route.

        So no call of the parser is long, and mail goes on beside the loading of a large one.
        """
        told = asdict(replace(self, routes={}))
        del told["_hosted"], told["routes"]
        routes = ((address, *_told(route)) for address, route in self.routes.items())
        return "\n".join(map(_JSON.encode, (told, *routes))).encode()

    @classmethod
    def without_routes(cls, raw: bytes) -> Snapshot:
        """All but the routes, for who only hands it on: the first line, however many follow."""
        return cls.from_bytes(raw.partition(b"\n")[0])

    @classmethod
    def from_bytes(cls, raw: bytes) -> Snapshot:
        """The inverse of `to_bytes`; for bytes that our own supervisor made."""
        head, *routes = raw.decode().split("\n")
        found: dict[str, Any] = json.loads(head)
        found["id"] = SnapshotId(**found["id"])
        found["domains"] = tuple(found["domains"])
        found["routes"] = dict(map(_route, routes))
        found["limits"] = Limits(**found["limits"])
        found["receiving"] = Receiving(**found["receiving"])
        found["signing"] = {d: Signing(**signing) for d, signing in found["signing"].items()}
        found["delivery"] = Delivery(**found["delivery"])
        found["allowance"] = Allowance(**found["allowance"])
        found["allowances"] = {
            mailbox: Allowance(**allowance) for mailbox, allowance in found["allowances"].items()
        }
        found["resolvers"] = tuple(found["resolvers"])
        found["hooks"] = {
            mailbox: tuple(Hook(**hook) for hook in hooks)
            for mailbox, hooks in found["hooks"].items()
        }
        return cls(**found)


_JSON = json.JSONEncoder(separators=(",", ":"))


def _told(route: Route) -> tuple[object, ...]:
    return (
        route.mailbox,
        route.domain,
        route.folder,
        route.uid,
        route.trust,
        route.trusted_senders,
    )


def _route(line: str) -> tuple[str, Route]:
    address, mailbox, domain, folder, uid, trust, senders = json.loads(line)
    return address, Route(mailbox, domain, folder, uid, trust, tuple(senders))
