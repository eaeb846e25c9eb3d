"""Keys and certificates: made where there are none, and never made a second time."""

from __future__ import annotations

from pathlib import PurePosixPath

from desired.desired import Algorithm
from desired.frozen import frozen
from reconcilers.certificates import belongs_to
from reconcilers.der import UnusableKeyError
from reconcilers.host.host import Access, Host, Reading, StepError
from reconcilers.rsa import public_half
from reconcilers.signing import public_pem
from reconcilers.standing import file
from reconcilers.step import Hands


@frozen
class GenerateKey:
    """A private key is there: a new one only where there was none."""

    path: PurePosixPath
    access: Access
    algorithm: Algorithm = "rsa-sha256"

    def take(self, hands: Hands) -> None:
        if hands.host.look(self.path) is None:
            key = hands.host.new_private_key(self.algorithm)
            hands.host.replace(self.path, key, self.access)

    def holds(self, hands: Hands) -> bool:
        if file(hands.host.look(self.path)) != self.access:
            return False
        try:
            public_pem(hands.host.read(self.path) or b"", self.algorithm)
        except UnusableKeyError:
            return False
        return True

    def __str__(self) -> str:
        return f"generate key {self.path}"


@frozen
class DerivePublicKey:
    """The public key is the private key's."""

    private: PurePosixPath
    public: PurePosixPath
    access: Access
    algorithm: Algorithm = "rsa-sha256"

    def take(self, hands: Hands) -> None:
        hands.host.replace(self.public, self._derived(hands.host), self.access)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        if file(host.look(self.public)) != self.access:
            return False
        return host.read(self.public) == self._derived(host)

    def _derived(self, host: Reading) -> bytes:
        private = host.read(self.private)
        if private is None:
            raise StepError(f"{self.private} is gone; restore it, then apply again")
        try:
            return public_pem(private, self.algorithm)
        except UnusableKeyError as cause:
            raise StepError(f"{self.private} is of no use: {cause}") from cause

    def __str__(self) -> str:
        return f"derive {self.public}"


@frozen
class IssueCertificate:
    """A self-signed certificate for the host name; a pair that was there is kept aside.

    A key alone is one whose certificate is still to be issued: ours, if we were killed over it,
    or one that the operator put there.
    """

    cert: PurePosixPath
    key: PurePosixPath
    hostname: str
    cert_access: Access
    key_access: Access
    kept: str  # What is appended to the names of the old files.

    def take(self, hands: Hands) -> None:
        host = hands.host
        if not self._issued(host):
            key = self._lone_key(host) or self._new_key(host)
            host.replace(self.cert, host.new_certificate(self.hostname, key), self.cert_access)
        host.set_access(self.cert, self.cert_access)
        host.set_access(self.key, self.key_access)

    def holds(self, hands: Hands) -> bool:
        host = hands.host
        return (
            file(host.look(self.cert)) == self.cert_access
            and file(host.look(self.key)) == self.key_access
            and self._issued(host)
        )

    def _issued(self, host: Reading) -> bool:
        cert, key = host.read(self.cert), host.read(self.key)
        return cert is not None and key is not None and belongs_to(cert, key, self.hostname)

    def _lone_key(self, host: Reading) -> bytes | None:
        key = host.read(self.key)
        if key is None or host.look(self.cert) is not None:
            return None
        try:
            public_half(key)
        except UnusableKeyError:
            return None
        return key

    def _new_key(self, host: Host) -> bytes:
        for path in (self.key, self.cert):
            self._keep(host, path)
        key = host.new_private_key()
        host.replace(self.key, key, self.key_access)
        return key

    def _keep(self, host: Host, path: PurePosixPath) -> None:
        kept = path.with_name(path.name + self.kept)
        if host.look(path) is not None and host.look(kept) is None:
            host.link(path, kept)

    def __str__(self) -> str:
        return f"issue certificate {self.cert} for {self.hostname}"
