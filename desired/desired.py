"""What should be: the manifest as a value, with every default resolved.

Frozen, cheap to import and free of the manifest's parser, since every process holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from desired.frozen import field, frozen
from desired.names import Address, Domain, Glob, HookName, Selector, Slug
from desired.problem import KeyPath, Source, Where
from desired.quantities import Endpoint
from desired.relay import Relay, SecretReference

Trust = Literal["none", "verified"]
Event = Literal["on_receive", "after_send"]
Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
AutoApply = Literal["safe", "all", "none"]
Network = IPv4Network | IPv6Network

DEFAULT_SELECTOR = Selector("aimx")
# RFC 8463 4: of two keys each has a selector, since a record of the DNS holds but one.
_MARKS: Mapping[Algorithm, str] = {"rsa-sha256": "", "ed25519-sha256": "-ed25519"}
DEFAULT_METRICS = Endpoint("127.0.0.1", 9025)


@frozen
class Limits:
    """What an agent may send before it is asked to slow down."""

    sends_per_day: int = 500
    new_recipients_per_day: int = 100
    replies_per_thread_per_hour: int = 10


@frozen
class HostedDomain:
    """A domain that we receive for and sign for, and what holds for its mailboxes."""

    name: Domain
    trust: Trust = "none"
    trusted_senders: tuple[Glob, ...] = ()
    signature: str = ""  # Put below what its mailboxes send; empty for none.
    selector: Selector = DEFAULT_SELECTOR
    algorithms: tuple[Algorithm, ...] = ("rsa-sha256",)
    rotate_every: timedelta | None = None  # None: keys stay until someone replaces them.
    protect: bool | None = None  # None: as it was applied last.

    @property
    def selectors(self) -> Mapping[Algorithm, Selector]:
        """The keys that it signs with, by algorithm: what each is published under."""
        return {each: published(self.selector, each) for each in self.algorithms}

    @property
    def principal(self) -> Algorithm:
        """Whose key it cannot send without. Few check any signature but RSA's."""
        return "rsa-sha256" if "rsa-sha256" in self.algorithms else self.algorithms[0]


def published(selector: Selector, algorithm: Algorithm) -> Selector:
    """Under which selector the key of the algorithm is, where a manifest says this one."""
    mark = _MARKS[algorithm]
    return Selector(f"{selector}{mark}") if mark else selector


@frozen
class Hook:
    """A command that runs on an event of its mailbox."""

    name: HookName  # Given, or derived from what the hook does.
    event: Event
    cmd: tuple[str, ...]
    timeout: timedelta = timedelta(seconds=60)
    fire_on_untrusted: bool = False
    fire_on_automated: bool = True


@frozen
class Mailbox:
    """An address, the Linux user whose mail it is, and who is trusted there."""

    address: Address
    owner: str
    trust: Trust = "none"
    trusted_senders: tuple[Glob, ...] = ()
    hooks: tuple[Hook, ...] = ()
    aliases: tuple[Address, ...] = ()
    protect: bool | None = None  # None: as it was applied last.
    allow_root_catchall: bool = False
    limits: Limits = Limits()


@frozen
class Webhook:
    """Where an identity's events are posted."""

    url: str
    events: tuple[str, ...] = ()


@frozen
class Identity:
    """Someone outside this machine who may use some mailboxes over HTTPS."""

    slug: Slug
    name: str
    url: str
    mailboxes: tuple[Address, ...] = ()
    webhook: Webhook | None = None


@frozen
class Smtp:
    """Receiving."""

    hostname: Domain
    bind: tuple[Endpoint, ...] = (Endpoint("0.0.0.0", 25), Endpoint("::", 25))  # noqa: S104
    workers: int | None = None  # None: as many as there are CPUs, at least 2, at most 4.
    max_message_size: int = 25 << 20  # Octets.
    max_text_line: int = 64 << 10  # Octets, as the next.
    max_command_line: int = 1 << 10
    max_errors: int = 20
    max_recipients: int = 100
    max_connections: int = 100
    max_connections_per_ip: int = 10
    idle_timeout: timedelta = timedelta(seconds=300)
    data_timeout: timedelta = timedelta(seconds=600)
    subaddress: str = "+"  # What separates a local part from its detail; empty: nothing does.
    dmarc: Literal["record", "enforce"] = "record"
    keep_raw: bool = False


@frozen
class Tls:
    """The certificate that STARTTLS shows."""

    mode: Literal["self-signed", "files", "acme", "off"] = "self-signed"
    cert: str | None = None  # Set with `files`.
    key: str | None = None  # Set with `files`.


@frozen
class Outbound:
    """Sending."""

    mode: Literal["direct", "queue"] = "direct"
    port: int = 25
    relay: Relay | None = None  # None: straight to the MX of each recipient.
    relay_password: SecretReference | None = None  # Set where the relay has a user.
    timeout: timedelta = timedelta(seconds=60)
    max_age: timedelta = timedelta(days=2)


@frozen
class Dns:
    """Whom we ask about names."""

    resolvers: tuple[Endpoint, ...] = ()  # Empty: the system's.
    timeout: timedelta = timedelta(seconds=5)


@frozen
class Http:
    """The door for identities."""

    bind: tuple[Endpoint, ...] = (Endpoint("127.0.0.1", 8025),)
    acl: tuple[Network, ...] = ()  # Empty: everybody.
    rate_per_minute: int = 60
    trusted_proxies: tuple[Network, ...] = ()
    pair_scheme: str = "posta"


@frozen
class Controller:
    """How a changed manifest is picked up."""

    debounce: timedelta = timedelta(milliseconds=100)
    resync: timedelta = timedelta(minutes=5)
    auto_apply: AutoApply = "safe"
    source: str | None = None  # A Git ref; None: the file.
    signers: str | None = None


@frozen
class SelfService:
    """What agents may declare for themselves."""

    domains: tuple[Domain, ...]
    enabled: bool = True
    max_per_owner: int = 50


@frozen
class Policy:
    """What may happen without being asked."""

    self_service: SelfService
    drift: Literal["repair", "report"] = "repair"
    max_removals: int = 5
    tombstone_retention: timedelta | None = None  # None: kept until someone purges them.
    max_signature_age: timedelta = timedelta(days=7)
    keep_generations: int = 50


@frozen
class Metrics:
    """Where the numbers are read."""

    bind: Endpoint | None = DEFAULT_METRICS  # None: off.


@frozen
class Log:
    """What the engine says of itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] | None = None  # None: JSON unless a terminal reads it.


@frozen
class ServerUsers:
    """Which Linux users the unprivileged processes become."""

    inbound: str = "aimx-in"
    outbound: str = "aimx-out"
    http: str = "aimx-http"
    git: str = "aimx-git"


@frozen
class Moved:
    """A rename that keeps the mail."""

    source: Address
    target: Address
    # In no manifest: what undoes one, on the way back to a generation.
    inverted: bool = field(default=False, compare=False)


@frozen
class Removed:
    """A reviewed removal."""

    address: Address
    data: Literal["tombstone", "delete"] = "tombstone"


@frozen
class Desired:
    """What the manifest says should exist. Equal when it says the same, however it is written."""

    domains: tuple[HostedDomain, ...]  # The first is the default domain.
    mailboxes: Mapping[str, Mailbox]  # By address, as declared.
    smtp: Smtp
    policy: Policy
    identities: Mapping[str, Identity] = field(default_factory=dict)  # By slug.
    moved: tuple[Moved, ...] = ()
    removed: tuple[Removed, ...] = ()
    tls: Tls = Tls()
    outbound: Outbound = Outbound()
    dns: Dns = Dns()
    http: Http = Http()
    controller: Controller = Controller()
    limits: Limits = Limits()
    metrics: Metrics = Metrics()
    log: Log = Log()
    users: ServerUsers = ServerUsers()
    enable_ipv6: bool = False
    verify_host: str | None = None
    data_dir: str | None = None  # None: what the flag or the variable says.
    digest: str = field(default="", compare=False)  # SHA-256 of the sources, in hex.
    sources: tuple[Source, ...] = field(default=(), compare=False, repr=False)
    # The file and path of what stands under another name than its canonical one.
    spellings: Mapping[KeyPath, tuple[str, KeyPath]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def default_domain(self) -> Domain:
        """What a bare local part means."""
        return self.domains[0].name

    def domain(self, name: str) -> HostedDomain | None:
        return next((domain for domain in self.domains if domain.name.ascii == name), None)

    def where(self, *path: str | int) -> Where | None:
        """Which line of the manifest says so: `where("mailboxes", "info@a.com")`."""
        from desired.places import locate  # Its parser is for reports alone.

        file, spelled = self.spellings.get(path[:2], ("", path[:2]))
        sources = [source for source in self.sources if file in ("", source.name)]
        return locate(sources, (*spelled, *path[2:]))
