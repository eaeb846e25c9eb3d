"""DKIM signatures (RFC 6376) on what we send.

Canonicalisation is the verifier's; the RSA operation is OpenSSL's, which is many times faster
than one in Python and leaves other threads alone meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

import dkim  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from aimx.verify.canonicalization import relaxed_body, relaxed_field

# Signed once more than they stand, so that none can be added or doubled on the way.
SIGNED = (
    *(b"from", b"to", b"cc", b"subject", b"date", b"message-id"),
    *(b"reply-to", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)
SMALLEST_KEY = 1024  # Bits: RFC 8301 3.2.

_FIELD = re.compile(rb"\r\n(?![ \t])")
_EPOCH = datetime.fromtimestamp(0, UTC)  # Any time that has been will do.
_PROBE = b"From: probe@%s\r\nSubject: probe\r\n\r\nprobe\r\n"


class KeyUnusableError(Exception):
    """A private key that cannot sign; says why."""


class Signer:
    """Signs for one domain with one key, which is read once: checking it takes longer than signing.

    Reads RSA keys in PEM, PKCS#1 and PKCS#8; raises `KeyUnusableError` for anything else.
    """

    def __init__(self, private_key_pem: bytes, selector: str, domain: str) -> None:
        self.selector = selector
        self.domain = domain
        self._key = _rsa(private_key_pem)

    def sign(self, wire: bytes, now: datetime) -> bytes:
        """The message with its signature on top."""
        head, _, body = wire.partition(b"\r\n\r\n")
        fields = [_split(field) for field in _FIELD.split(head)]
        hashed = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        unsigned = self._tags(fields, hashed, now)
        digest = hashlib.sha256(b"".join(_signed(fields)))
        # RFC 6376 3.7: last the signature's own field, without what it will hold and without CRLF.
        digest.update(relaxed_field(b"DKIM-Signature", unsigned + b"\r\n").removesuffix(b"\r\n"))
        signature = self._key.sign(
            digest.digest(), padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
        )
        return b"".join([b"DKIM-Signature:", unsigned, _folded(signature), b"\r\n", wire])

    def _tags(self, fields: list[tuple[bytes, bytes]], body_hash: bytes, now: datetime) -> bytes:
        names = [name.lower() for name, _ in fields]
        listed = b" : ".join(b" : ".join([name] * (names.count(name) + 1)) for name in SIGNED)
        lines = textwrap.wrap(f"h={listed.decode()};", 75, break_on_hyphens=False)
        return b"\r\n ".join(
            [
                b" v=1; a=rsa-sha256; c=relaxed/relaxed; t=%d;" % now.timestamp(),
                b"d=%s;" % self.domain.encode(),
                b"s=%s;" % self.selector.encode(),
                *(line.encode() for line in lines),
                b"bh=%s;" % body_hash,
                b"b=",
            ]
        )

    @property
    def record(self) -> str:
        """What the DNS must hold at `<selector>._domainkey.<domain>` (RFC 6376 3.6.1)."""
        return f"v=DKIM1; k=rsa; p={base64.b64encode(self._public_key).decode()}"

    @property
    def _public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def probe(self) -> None:
        """Sign something and check it as a stranger would; raises `KeyUnusableError`."""
        try:
            signed = self.sign(_PROBE % self.domain.encode(), _EPOCH)
        except ValueError as cause:
            raise KeyUnusableError("its numbers are no RSA key's") from cause
        record = self.record.encode()
        if not dkim.verify(signed, dnsfunc=lambda name, timeout=5: record):
            raise KeyUnusableError("its signature does not verify")

    def is_published(self, record: bytes) -> bool:
        """Whether a TXT record of the DNS holds this key's public half."""
        tags = dict(map(_tag, record.split(b";")))
        try:
            published = base64.b64decode(re.sub(rb"\s", b"", tags.get(b"p", b"")))
        except ValueError:
            return False
        # Some publish the bare RSAPublicKey, as RFC 6376 3.6.1 says by its letter.
        bare = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return published in (self._public_key, bare)


def _rsa(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        # OpenSSL's own check takes 40 ms a key, seconds for a hundred domains. Where a key comes
        # from is trusted, and `probe` sees whether it is whole.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise KeyUnusableError("it is not an unencrypted private key in PEM") from cause
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnusableError("it is not an RSA key")
    if key.key_size < SMALLEST_KEY:
        raise KeyUnusableError(f"it has {key.key_size} bits, and verifiers ask for {SMALLEST_KEY}")
    return key


def _split(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.partition(b":")
    return name, value + b"\r\n"


def _signed(fields: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """RFC 6376 5.4.2: of a field that stands several times, the last one first."""
    for wanted in SIGNED:
        for name, value in reversed(fields):
            if name.lower() == wanted:
                yield relaxed_field(name, value)


def _folded(signature: bytes) -> bytes:
    encoded = base64.b64encode(signature)
    return b"\r\n ".join(encoded[at : at + 72] for at in range(0, len(encoded), 72))


def _tag(text: bytes) -> tuple[bytes, bytes]:
    name, _, value = text.partition(b"=")
    return name.strip(), value.strip()
