"""Private keys that sign mail: RSA (RFC 6376) and Ed25519 (RFC 8463).

Both operations are OpenSSL's: RSA's is many times faster than one in Python, and leaves other
threads alone meanwhile.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

SMALLEST_KEY = 1024  # Bits: RFC 8301 3.2.

Forms: TypeAlias = tuple[bytes, ...]


class KeyUnusableError(Exception):
    """A private key that cannot sign; says why."""


class SigningKey(Protocol):
    """A key that is loaded, which takes longer than a signature."""

    algorithm: ClassVar[str]  # As `a=` has it.
    kind: ClassVar[str]  # As `k=` has it.

    @property
    def published(self) -> Forms:
        """What may stand in `p=` for it; the first is what we ask to have published."""

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256; raises ValueError where the key's numbers are none's."""


class _Rsa:
    algorithm: ClassVar[str] = "rsa-sha256"
    kind: ClassVar[str] = "rsa"

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @property
    def published(self) -> Forms:
        public = self._key.public_key()
        return (
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            # Some publish the bare RSAPublicKey, as RFC 6376 3.6.1 says by its letter.
            public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        )

    def sign(self, digest: bytes) -> bytes:
        return self._key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


class _Ed25519:
    algorithm: ClassVar[str] = "ed25519-sha256"
    kind: ClassVar[str] = "ed25519"

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def published(self) -> Forms:
        # RFC 8463 4.2: the bare key, without the structure that names its algorithm.
        return (self._key.public_key().public_bytes_raw(),)

    def sign(self, digest: bytes) -> bytes:
        # RFC 8463 3: PureEdDSA, of the digest as if that were the message.
        return self._key.sign(digest)


def loaded(pem: bytes) -> SigningKey:
    """The key in a PEM of PKCS#1 or PKCS#8; raises `KeyUnusableError`."""
    try:
        # OpenSSL's own check takes 40 ms a key, seconds for a hundred domains. Where a key comes
        # from is trusted, and a probe sees whether it is whole.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise KeyUnusableError("it is not an unencrypted private key in PEM") from cause
    match key:
        case ed25519.Ed25519PrivateKey():
            return _Ed25519(key)
        case rsa.RSAPrivateKey() if key.key_size >= SMALLEST_KEY:
            return _Rsa(key)
        case rsa.RSAPrivateKey():
            few = f"it has {key.key_size} bits, and verifiers ask for {SMALLEST_KEY}"
            raise KeyUnusableError(few)
        case _:
            raise KeyUnusableError("it is neither an RSA key nor an Ed25519 key")
