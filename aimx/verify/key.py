"""Reads a DKIM key record (RFC 6376 3.6.1), and says whether it may verify a signature."""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from aimx.verify.signature import Claim, SignatureError, Tags, tags_of
from desired.frozen import frozen

SMALLEST_RSA = 1024  # Bits: RFC 8301 3.2.
ED25519 = 32  # Octets: RFC 8032 5.1.5.

# Made once: they hold nothing of what is verified.
_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()  # OpenSSL hashes sooner than it is told that something is hashed.

Public: TypeAlias = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@frozen
class Key:
    """A public key, and what its domain allows it."""

    public: Public
    hashes: frozenset[bytes]  # Empty: all.
    services: frozenset[bytes]
    flags: frozenset[bytes]

    @property
    def is_test(self) -> bool:
        """RFC 6376 3.6.1, `t=y`: the domain asks not to be judged by what fails."""
        return b"y" in self.flags

    def check_use(self, claim: Claim) -> None:
        """RFC 6376 6.1.2: raises SignatureError if this key is not for such a signature."""
        algorithm = (
            b"rsa-sha256" if isinstance(self.public, rsa.RSAPublicKey) else b"ed25519-sha256"
        )
        if claim.algorithm != algorithm:
            raise SignatureError("permerror", "the key is for another algorithm (k=)")
        if self.hashes and b"sha256" not in self.hashes:
            raise SignatureError("permerror", "the key is not for sha256 (h=)")
        if not self.services & {b"*", b"email"}:
            raise SignatureError("permerror", "the key is not for mail (s=)")
        if b"s" in self.flags and claim.identity != claim.domain:
            raise SignatureError("permerror", "the key is not for subdomains (t=s)")

    def check_signature(self, signature: bytes, signed: bytes) -> None:
        """`signed` is the header, whose SHA-256 was signed (RFC 6376 3.3.2, RFC 8463 3)."""
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, signed, _PADDING, _SHA256)
            else:
                self.public.verify(signature, sha256(signed).digest())
        except InvalidSignature as cause:
            raise SignatureError("fail", "the header is not what was signed") from cause


@lru_cache(maxsize=1024)
def read(record: bytes) -> Key:
    """Raises SignatureError for what is no key that may be used."""
    tags = tags_of(record)
    if tags.get(b"v", b"DKIM1") != b"DKIM1":
        raise SignatureError("permerror", "the record is no DKIM key (v=)")
    if b"p" not in tags:
        raise SignatureError("permerror", "the record holds no key (p=)")
    if not tags[b"p"]:
        raise SignatureError("permerror", "the key was revoked (p=)")
    return Key(
        public=_public(tags),
        hashes=_listed(tags, b"h", b""),
        services=_listed(tags, b"s", b"*"),
        flags=_listed(tags, b"t", b""),
    )


def _listed(tags: Tags, tag: bytes, default: bytes) -> frozenset[bytes]:
    return frozenset(filter(None, (word.strip() for word in tags.get(tag, default).split(b":"))))


def _public(tags: Tags) -> Public:
    try:
        octets = base64.b64decode(b"".join(tags[b"p"].split()), validate=True)
        match tags.get(b"k", b"rsa"):
            case b"rsa":
                return _rsa(octets)
            case b"ed25519" if len(octets) == ED25519:
                return ed25519.Ed25519PublicKey.from_public_bytes(octets)
            case _:
                raise SignatureError("permerror", "the key is of a kind that is not known (k=)")
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise SignatureError("permerror", "the key cannot be read (p=)") from cause


def _rsa(octets: bytes) -> rsa.RSAPublicKey:
    key = load_der_public_key(octets)
    if not isinstance(key, rsa.RSAPublicKey):
        raise SignatureError("permerror", "the key is not an RSA key (k=)")
    if key.key_size < SMALLEST_RSA:
        raise SignatureError("policy", f"the key has fewer than {SMALLEST_RSA} bits (RFC 8301)")
    return key
