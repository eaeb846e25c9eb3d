"""The keys and the certificate of an engine config, read from their files, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from desired.desired import Algorithm, Desired, HostedDomain
from desired.frozen import field, frozen
from reconcilers.der import UnusableKeyError
from reconcilers.host.host import Reading, StepError, UnseenError
from reconcilers.roots import Roots
from reconcilers.signing import KeyFiles, public_pem

SigningKeys: TypeAlias = Mapping[Algorithm, bytes]  # One domain's, in PEM.


@frozen
class Secrets:
    """What is looked for, and what was wrong with it."""

    desired: Desired
    host: Reading
    roots: Roots
    troubles: list[str] = field(default_factory=list)

    def keys(self, known: Mapping[str, SigningKeys]) -> dict[str, SigningKeys]:
        """The keys of each domain that can send, as PEM; a damaged one as it is known."""
        found = {}
        for domain in self.desired.domains:
            name = domain.name.ascii
            keys = self._keys(domain, known.get(name, {}))
            if domain.principal in keys:
                found[name] = keys
        return found

    def _keys(self, domain: HostedDomain, known: SigningKeys) -> SigningKeys:
        name, found = domain.name.ascii, {}
        for algorithm in domain.selectors:
            without = "cannot sign" if algorithm == domain.principal else "signs without it"
            try:
                pem = self._key(domain, algorithm)
            except (UnseenError, UnusableKeyError) as cause:
                pem = known.get(algorithm)
                left = "goes on with the key that it has" if pem else without
                self.troubles.append(f"{cause} Until then {name} {left}.")
            else:
                if pem is None and algorithm != domain.principal:
                    gone = KeyFiles.plain(self.roots.keys(name), algorithm).private
                    told = f"{gone} is gone. Restore it from a backup."
                    self.troubles.append(f"{told} Until then {name} {without}.")
            if pem is not None:
                found[algorithm] = pem
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

    def _key(self, domain: HostedDomain, algorithm: Algorithm) -> bytes | None:
        """None where there is none; raises `UnseenError`, or `UnusableKeyError`."""
        for path in self._candidates(domain, algorithm):
            pem = self.host.read(path)
            if pem is not None:
                try:
                    public_pem(pem, algorithm)
                except UnusableKeyError as cause:
                    told = f"{path}: {cause}. Restore it from a backup."
                    raise UnusableKeyError(told) from cause
                return pem
        return None

    def _candidates(self, domain: HostedDomain, algorithm: Algorithm) -> Iterator[PurePosixPath]:
        """Where a domain's key may be, the likeliest first."""
        home = self.roots.keys(domain.name.ascii)
        yield KeyFiles.labelled(home, domain.selectors[algorithm].text).private
        yield KeyFiles.plain(home, algorithm).private
        # Layout 1 kept the key of its domain there, and its install may not be migrated yet.
        is_default = domain.name == self.desired.default_domain and algorithm == "rsa-sha256"
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
