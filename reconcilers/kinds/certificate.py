"""The certificate that STARTTLS shows: issued by ourselves, or files that the operator gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from desired.frozen import frozen, replace
from reconcilers.certificates import belongs_to
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.difference import Changed, Difference, Missing
from reconcilers.host.host import Access, Nature
from reconcilers.operations.files import SetAccess
from reconcilers.reconciler import Keys, World
from reconcilers.standing import Standing, access, fields, file, foreign_nature
from reconcilers.step import Operation, Phase


@frozen
class Issued:
    """Ours, self-signed."""

    hostname: str  # Whom it names; empty where it is not for the host, or the key is another's.
    cert: Standing
    key: Standing


@frozen
class Given:
    """The operator's, looked at and never changed."""

    missing: tuple[PurePosixPath, ...]


Certificate: TypeAlias = Issued | Given

_NEEDS = ("layout",)


class CertificateReconciler:
    """With ACME, and without TLS, there is none that is managed here."""

    kind: str = "certificate"
    activates: bool = True

    def desired(self, world: World) -> Mapping[str, Certificate]:
        match world.desired.tls.mode:
            case "self-signed":
                return {"": Issued(world.desired.smtp.hostname.ascii, *_accesses(world))}
            case "files":
                return {"": Given(())}
            case "acme" | "off":
                return {}

    def observe(self, world: World) -> Mapping[str, Certificate]:
        match world.desired.tls.mode:
            case "self-signed":
                issued = _observed(world)
                nothing = issued.cert is None and issued.key is None
                return {} if nothing else {"": issued}
            case "files":
                return {"": Given(tuple(p for p in _given(world) if world.host.look(p) is None))}
            case "acme" | "off":
                return {}

    def change(self, difference: Difference[Certificate], world: World) -> Change | None:
        match difference:
            case Missing(_, Issued(hostname)):
                why = "there is none to show to other mail servers"
                host = (Field("host", "", hostname),)
                return Change("certificate", Action.CREATE, why, fields=host, needs=_NEEDS)
            case Changed(_, _, Given(missing)):
                why, blocked = "the manifest names files", _not_given(missing)
                return Change("certificate", Action.ADOPT, why, blocked=blocked)
            case Changed(_, Issued() as desired, Issued() as observed):
                return _corrected(desired, observed, world)
            case _:
                return None

    def asked_by(self, name: str, world: World) -> Keys:
        return ("tls",)

    def steps(
        self, difference: Difference[Certificate], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        if world.desired.tls.mode != "self-signed":
            return
        cert, key = _ours(world)
        readable, secret = _accesses(world)
        hostname, observed = world.desired.smtp.hostname.ascii, _observed(world)
        if observed.hostname != hostname:
            from reconcilers.operations.keys import IssueCertificate  # It is there, mostly.

            kept = f".{world.generation}"
            yield Phase.KEYS, IssueCertificate(cert, key, hostname, readable, secret, kept)
            return
        if observed.cert != readable:
            yield Phase.KEYS, SetAccess(cert, readable, Nature.FILE)
        if observed.key != secret:
            yield Phase.KEYS, SetAccess(key, secret, Nature.FILE)


def _accesses(world: World) -> tuple[Access, Access]:
    user = world.host.user()
    return access(0o644, user), access(0o600, user)


def _ours(world: World) -> tuple[PurePosixPath, PurePosixPath]:
    return world.roots.tls / "cert.pem", world.roots.tls / "key.pem"


def _given(world: World) -> tuple[PurePosixPath, ...]:
    tls = world.desired.tls
    return tuple(world.roots.config / path for path in (tls.cert, tls.key) if path is not None)


def _observed(world: World) -> Issued:
    hostname = world.desired.smtp.hostname.ascii
    paths = _ours(world)
    cert, key = (file(world.host.look(path)) for path in paths)
    fits = False
    if isinstance(cert, Access) and isinstance(key, Access):
        cert_pem, key_pem = (world.host.read(path) or b"" for path in paths)
        fits = belongs_to(cert_pem, key_pem, hostname)
    return Issued(hostname if fits else "", cert, key)


def _not_given(missing: tuple[PurePosixPath, ...]) -> Blocked:
    return Blocked(
        "certificate-missing",
        f"{' and '.join(map(str, missing))} cannot be found",
        'put the files there, or set tls.mode = "self-signed"',
    )


def _corrected(desired: Issued, observed: Issued, world: World) -> Change:
    cert, key = _ours(world)
    changed = (
        *fields("cert.pem", observed.cert, desired.cert),
        *fields("key.pem", observed.key, desired.key),
    )
    change = Change(
        "certificate",
        Action.REPAIR,
        "what the last apply left here has changed",
        fields=changed,
        blocked=foreign_nature(cert, observed.cert, Nature.FILE)
        or foreign_nature(key, observed.key, Nature.FILE),
        needs=_NEEDS,
        drifted=True,
    )
    if observed.hostname == desired.hostname:
        return change
    number = world.generation
    return replace(
        change,
        action=Action.UPDATE,
        why=f"it is not for {desired.hostname}, or its key is another's",
        fields=(Field("host", observed.hostname, desired.hostname), *changed),
        notes=(f"What was there is kept as {cert.name}.{number} and {key.name}.{number}.",),
        drifted=False,
    )
