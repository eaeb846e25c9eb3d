"""The manifest as it may be written: every table and key, and their types.

What a file does not set is not in a table's `model_fields_set`: defaults are resolved later.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from desired.desired import Algorithm, Event, Trust
from desired.fields import (
    AbsolutePath,
    AddressText,
    Count,
    DomainText,
    Duration,
    EndpointText,
    GlobText,
    HookNameText,
    Listening,
    MailboxText,
    Natural,
    NetworkText,
    OwnerText,
    Port,
    RelayText,
    Retention,
    Rotation,
    SecretText,
    SelectorText,
    Size,
)


class Table(BaseModel):
    """A TOML table: nothing is guessed, nothing is ignored."""

    # Only the manifest's own validator is ever needed, and it contains the others. So a default
    # is constructed: making it by validation would build the validator of its table alone.
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", title=None, defer_build=True
    )


class Lifecycle(Table):
    """What may become of a resource."""

    protect: bool | None = None


class Dkim(Table):
    """A domain's keys: which algorithms sign, and how long a key is used."""

    algorithms: Annotated[list[Algorithm], Field(min_length=1)] | None = None
    rotate_every: Rotation = None


class DomainTable(Table):
    """What holds for one domain instead of the top level's."""

    trust: Trust | None = None
    trusted_senders: list[GlobText] | None = None
    signature: str | None = None
    dkim_selector: SelectorText | None = None
    lifecycle: Lifecycle = Lifecycle.model_construct()
    dkim: Dkim = Dkim.model_construct()


class HookTable(Table):
    """A command that runs on an event of its mailbox."""

    event: Event
    cmd: list[str]
    name: HookNameText | None = None
    timeout_secs: Annotated[int, Field(ge=1, le=600)] = 60
    fire_on_untrusted: bool = False
    fire_on_automated: bool = True
    type: Literal["cmd"] = "cmd"


class LimitsTable(Table):
    """What an agent may send before it is asked to slow down."""

    sends_per_day: Natural | None = None
    new_recipients_per_day: Natural | None = None
    replies_per_thread_per_hour: Natural | None = None


class MailboxTable(Table):
    """A mailbox: its key is its address, and its owner a Linux user."""

    owner: OwnerText
    address: str | None = None
    trust: Trust | None = None
    trusted_senders: list[GlobText] | None = None
    # Pydantic would copy a default deeply, for each of ten thousand mailboxes.
    hooks: list[HookTable] = Field(default_factory=list)
    aliases: list[AddressText] = Field(default_factory=list)
    allow_root_catchall: bool = False
    lifecycle: Lifecycle | None = None
    limits: LimitsTable | None = None


class WebhookTable(Table):
    """Where an identity's events are posted."""

    url: str
    events: list[Literal["received", "sent", "read"]] = []


class IdentityTable(Table):
    """Someone outside this machine who may use some mailboxes over HTTPS."""

    name: str
    url: str
    mailboxes: list[str] = []
    webhook: WebhookTable | None = None


class SmtpTable(Table):
    """Receiving: where to listen, and what one client may ask for."""

    bind: Annotated[list[EndpointText], Field(min_length=1)] | None = None
    hostname: DomainText | None = None
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    max_message_size: Size | None = None
    max_text_line: Size | None = None
    max_command_line: Size | None = None
    max_errors: Count | None = None
    max_recipients: Count | None = None
    max_connections: Count | None = None
    max_connections_per_ip: Count | None = None
    idle_timeout: Duration | None = None
    data_timeout: Duration | None = None
    subaddress: Literal["", "+", "-", "=", "_", "#", "~"] | None = None
    dmarc: Literal["record", "enforce"] | None = None
    keep_raw: bool | None = None


class AcmeTable(Table):
    """Who issues the certificate."""

    directory: str | None = None
    email: str | None = None


class TlsTable(Table):
    """The certificate that STARTTLS shows."""

    mode: Literal["self-signed", "files", "acme", "off"] | None = None
    cert: str | None = None
    key: str | None = None
    acme: AcmeTable | None = None


class OutboundTable(Table):
    """Sending: how, and how long it is tried."""

    mode: Literal["direct", "queue"] | None = None
    port: Port | None = None
    relay: RelayText | None = None
    relay_password: SecretText | None = None
    timeout: Duration | None = None
    max_age: Duration | None = None


class DnsTable(Table):
    """Whom we ask about names, and who publishes ours."""

    resolvers: list[EndpointText] | None = None
    timeout: Duration | None = None
    provider: str | None = None
    settings: dict[str, str] | None = None


class HttpTable(Table):
    """The door for identities; it listens only when there is one."""

    bind: list[EndpointText] | None = None
    acl: list[NetworkText] | None = None
    rate_per_minute: Count | None = None
    trusted_proxies: list[NetworkText] | None = None
    pair_scheme: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]{0,62}$")] | None = None


class ControllerTable(Table):
    """How a changed manifest is picked up, and what is applied without being asked."""

    debounce: Duration | None = None
    resync: Duration | None = None
    auto_apply: Literal["safe", "all", "none"] | None = None
    source: str | None = None
    signers: str | None = None


class SelfServiceTable(Table):
    """What agents may declare for themselves."""

    enabled: bool | None = None
    domains: list[DomainText] | None = None
    max_per_owner: Natural | None = None


class PolicyTable(Table):
    """What may happen without being asked."""

    drift: Literal["repair", "report"] | None = None
    max_removals: Natural | None = None
    tombstone_retention: Retention = None
    max_signature_age: Duration | None = None
    keep_generations: Count | None = None
    self_service: SelfServiceTable = SelfServiceTable.model_construct()


class MetricsTable(Table):
    """Where the numbers are read; an empty `bind` is off."""

    bind: Listening = None


class LogTable(Table):
    """What the engine says of itself."""

    level: Literal["debug", "info", "warning", "error"] | None = None
    format: Literal["json", "text"] | None = None


class UsersTable(Table):
    """Which Linux users the unprivileged processes become."""

    inbound: OwnerText | None = None
    outbound: OwnerText | None = None
    http: OwnerText | None = None
    git: OwnerText | None = None


class ServerTable(Table):
    """The engine on its host."""

    users: UsersTable = UsersTable.model_construct()


class UpgradeTable(Table):
    """A table of the older system, without meaning here."""

    release_manifest_url: str | None = None


class MovedTable(Table):
    """A rename that keeps the mail."""

    source: Annotated[MailboxText, Field(alias="from")]
    target: Annotated[MailboxText, Field(alias="to")]


class RemovedTable(Table):
    """A reviewed removal."""

    address: MailboxText
    data: Literal["tombstone", "delete"] = "tombstone"


def _spelling(value: object) -> str:
    return "overrides" if isinstance(value, dict) else "name"


DomainOverrides = Annotated[
    Annotated[DomainText, Tag("name")] | Annotated[dict[str, DomainTable], Tag("overrides")],
    Discriminator(_spelling),
]


class ManifestTable(Table):
    """The manifest of a mail exchanger."""

    domains: list[DomainText] | None = None
    domain: DomainOverrides | None = None
    trust: Trust | None = None
    trusted_senders: list[GlobText] | None = None
    dkim_selector: SelectorText | None = None
    signature: str | None = None
    enable_ipv6: bool | None = None
    verify_host: str | None = None
    data_dir: AbsolutePath | None = None
    mailboxes: dict[str, MailboxTable] = {}
    identities: dict[str, IdentityTable] = {}
    moved: list[MovedTable] = []
    removed: list[RemovedTable] = []
    smtp: SmtpTable = SmtpTable.model_construct()
    tls: TlsTable = TlsTable.model_construct()
    outbound: OutboundTable = OutboundTable.model_construct()
    dns: DnsTable = DnsTable.model_construct()
    http: HttpTable = HttpTable.model_construct()
    controller: ControllerTable = ControllerTable.model_construct()
    policy: PolicyTable = PolicyTable.model_construct()
    limits: LimitsTable = LimitsTable.model_construct()
    metrics: MetricsTable = MetricsTable.model_construct()
    log: LogTable = LogTable.model_construct()
    server: ServerTable = ServerTable.model_construct()
    upgrade: UpgradeTable | None = None
