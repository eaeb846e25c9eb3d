"""From an engine config to what the engine's processes run on."""

from __future__ import annotations

from collections.abc import Mapping

from aimx.controller.credentials import Credentials, loading
from aimx.controller.owners import uids
from aimx.controller.projection import commands, snapshot
from aimx.controller.secrets import Secrets, SigningKeys
from aimx.hooks.command import Command
from aimx.snapshot import Snapshot
from desired.desired import Desired, Log, ServerUsers
from desired.engine_config import header
from desired.frozen import field, frozen
from desired.loaded import loaded
from desired.quantities import Endpoint
from desired.relay import SecretReference
from reconcilers.host.host import Reading
from reconcilers.roots import Roots


@frozen
class Compiled:
    """A generation, ready to be handed to the processes: each gets only its part."""

    snapshot: Snapshot = field(compare=False)  # Perhaps without routes; `told` has all of it.
    told: bytes = field(repr=False)  # The snapshot as each process gets it, made but once.
    keys: Mapping[str, SigningKeys] = field(repr=False)  # By domain, for outbound alone.
    certificate: bytes | None = field(repr=False)  # PEM chain and key, for inbound; None: no TLS.
    commands: Mapping[str, Command] = field(repr=False)  # By hook, for the supervisor alone.
    endpoints: tuple[Endpoint, ...]
    workers: int | None
    users: ServerUsers
    metrics: Endpoint | None  # Where the numbers are read; None: nowhere.
    log: Log
    troubles: tuple[str, ...] = ()  # Which of our keys and certificates are damaged, and how.
    # Where the relay's password is. It is read when the generation is handed over.
    relay_password: SecretReference | None = None
    # The mailboxes of each uid, which it may be told of.
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.snapshot.signing, self.keys, self.certificate)

    @property
    def told_keys(self) -> Mapping[str, Mapping[str, str]]:
        return self.credentials.told_keys


def compiled(
    config: bytes,
    host: Reading,
    roots: Roots,
    known: Compiled | None = None,
    *,
    without_tls: str = "",
    lately: bool = False,
) -> Compiled:
    """Load an engine config and the keys that it names; raises `StepError`.

    A domain whose key is gone is served without one: it receives, and cannot send. What is damaged
    is taken from what the engine runs on, if it has it: nothing else waits until it is mended.
    `without_tls`: why no certificate is even looked for. `lately`: of what the engine runs on
    it was seen a moment ago which mailboxes have a directory, so that the rest is looked at alone.
    """
    with loading():
        desired = loaded(str(roots.engine_config), config)
        secrets = Secrets(desired, host, roots)
        keys = secrets.keys(known.keys if known else {})
        certificate = _certificate(secrets, known, without_tls)
        owners = uids(desired, host, roots, _housed(known) if known and lately else {})
    head = header(config)
    made = snapshot(desired, head.generation if head else 0, owners)
    return Compiled(
        snapshot=made,
        told=made.to_bytes(),
        keys=keys,
        certificate=certificate,
        commands=dict(commands(desired, owners)),
        endpoints=desired.smtp.bind,
        workers=desired.smtp.workers,
        users=desired.users,
        metrics=desired.metrics.bind,
        log=desired.log,
        troubles=tuple(secrets.troubles),
        relay_password=desired.outbound.relay_password,
        owned=_owned(desired, owners),
    )


def _certificate(secrets: Secrets, known: Compiled | None, without_tls: str) -> bytes | None:
    if without_tls:
        secrets.troubles.append(without_tls)
        return None
    return secrets.certificate(known.certificate if known else None)


def _housed(known: Compiled) -> Mapping[str, int | None]:
    return {
        address: route.uid
        for address, route in known.snapshot.routes.items()
        if route.mailbox == address
    }


def _owned(desired: Desired, owners: Mapping[str, int | None]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, mailbox in desired.mailboxes.items():
        found.setdefault(str(owners[name]), []).append(str(mailbox.address))
    found.pop(str(None), None)
    return {uid: tuple(sorted(addresses)) for uid, addresses in found.items()}
