"""The keys and the certificate of an engine config, read from their files, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from desired.desired import Desired, HostedDomain
from reconcilers.host.host import Reading, StepError, UnseenError
from reconcilers.roots import Roots
from reconcilers.rsa import UnusableKeyError, public_half


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is looked for, and what was wrong with it."""

    desired: Desired
    host: Reading
    roots: Roots
    troubles: list[str] = field(default_factory=list)

    def keys(self, known: Mapping[str, bytes]) -> dict[str, bytes]:
        """The key of each domain that has one, as PEM; a damaged one as it is known."""
        found = {}
        for domain in self.desired.domains:
            name = domain.name.ascii
            try:
                pem = self._key(domain)
            except (UnseenError, UnusableKeyError) as cause:
                pem = known.get(name)
                left = "goes on with the key that it has" if pem else "cannot sign"
                self.troubles.append(f"{cause} Until then {name} {left}.")
            if pem is not None:
                found[name] = pem
        return found

    def certificate(self, known: bytes | None) -> bytes | None:
        """Chain and key, as PEM. Raises `StepError` where one is missing, and `UnseenError` where
        the operator's own cannot be read."""
        tls = self.desired.tls
        match tls.mode:
            case "off" | "acme":
                return None
            case "files":
                return self._joined(PurePosixPath(str(tls.cert)), PurePosixPath(str(tls.key)))
            case "self-signed":
                try:
                    return self._joined(self.roots.tls / "cert.pem", self.roots.tls / "key.pem")
                except UnseenError as cause:
                    left = "as before" if known else "not at all"
                    self.troubles.append(f"{cause} Until then TLS is offered {left}.")
                    return known

    def _key(self, domain: HostedDomain) -> bytes | None:
        """None where there is none; raises `UnseenError`, or `UnusableKeyError`."""
        for path in self._candidates(domain):
            pem = self.host.read(path)
            if pem is not None:
                try:
                    public_half(pem)
                except UnusableKeyError as cause:
                    told = f"{path}: {cause}. Restore it from a backup."
                    raise UnusableKeyError(told) from cause
                return pem
        return None

    def _candidates(self, domain: HostedDomain) -> Iterator[PurePosixPath]:
        """Where a domain's key may be, the likeliest first."""
        home = self.roots.keys(domain.name.ascii)
        yield home / f"{domain.selector}.private.key"
        yield home / "private.key"
        # Layout 1 kept the key of its domain there, and its install may not be migrated yet.
        is_default = domain.name == self.desired.default_domain
        if is_default and self.host.look(self.roots.marker) is None:
            yield self.roots.dkim / "private.key"

    def _joined(self, *paths: PurePosixPath) -> bytes:
        parts = []
        for path in paths:
            part = self.host.read(path)
            if part is None:
                raise StepError(f"{path} does not exist; `aimx apply` makes it, or see [tls]")
            parts.append(part)
        return b"\n".join(parts)
