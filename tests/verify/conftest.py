"""A signer for tests: made of the RFC's words and `cryptography`, of nothing that verifies."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(b"an ed25519 key made for tests!!!")


@dataclass(frozen=True)
class Signer:
    """Signs with `rsa` or `ed25519`; tags that a test names replace its own."""

    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    domain: str = "example.com"
    selector: str = "s"
    canonicalization: str = "relaxed/relaxed"
    fields: str = "from:to:subject:date:message-id"
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def public(self) -> str:
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(octets).decode()

    @property
    def record(self) -> str:
        kind = "rsa" if isinstance(self.key, rsa.RSAPrivateKey) else "ed25519"
        return f"v=DKIM1; k={kind}; p={self.public}"

    @property
    def zone(self) -> dict[str, dict[str, str]]:
        return {f"{self.selector}._domainkey.{self.domain}": {"TXT": self.record}}

    def sign(self, message: bytes) -> bytes:
        """The message with its signature above it."""
        return b"DKIM-Signature: " + self._value(message) + b"\r\n" + message

    def _value(self, message: bytes) -> bytes:
        is_rsa = isinstance(self.key, rsa.RSAPrivateKey)
        head, _, body = message.partition(b"\r\n\r\n")
        how_fields, how_body = self.canonicalization.split("/")
        canonical = _body(body, how_body)
        length = int(self.tags["l"]) if "l" in self.tags else len(canonical)
        body_hash = base64.b64encode(hashlib.sha256(canonical[:length]).digest()).decode()
        tags = {
            "v": "1",
            "a": "rsa-sha256" if is_rsa else "ed25519-sha256",
            "c": self.canonicalization,
            "d": self.domain,
            "s": self.selector,
            "h": self.fields,
            "bh": body_hash,
            **self.tags,
        }
        value = "; ".join(f"{tag}={text}" for tag, text in tags.items()) + "; b="
        signed = _header(head, self.fields, how_fields)
        signed += _field(b"DKIM-Signature: " + value.encode(), how_fields).removesuffix(b"\r\n")
        return value.encode() + base64.b64encode(self._signature(signed))

    def _signature(self, signed: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(hashlib.sha256(signed).digest())


def _body(body: bytes, how: str) -> bytes:
    if how == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body or how == "simple" else b""


def _field(text: bytes, how: str) -> bytes:
    if how == "simple":
        return text + b"\r\n"
    name, _, value = text.partition(b":")
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()
    return name.lower().strip() + b":" + unfolded + b"\r\n"


def _header(head: bytes, names: str, how: str) -> bytes:
    left = re.split(rb"\r\n(?![ \t])", head)
    found = []
    for name in names.split(":"):
        for text in reversed(left):
            if text.partition(b":")[0].rstrip().lower() == name.strip().lower().encode():
                left.remove(text)
                found.append(_field(text, how))
                break
    return b"".join(found)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def rsa_signer(rsa_key: rsa.RSAPrivateKey) -> Signer:
    return Signer(rsa_key)


@pytest.fixture(scope="session")
def ed25519_signer() -> Signer:
    return Signer(ED25519)


@pytest.fixture(scope="session")
def signer(rsa_key: rsa.RSAPrivateKey) -> Callable[..., Signer]:
    """Makes a signer with a key of the kind `rsa` or `ed25519`."""
    keys = {"rsa": rsa_key, "ed25519": ED25519}
    return lambda kind, **fields: Signer(keys[kind], **fields)
