from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aimx.outbound.compose import Composed, HandedIn, compose
from aimx.outbound.sign import Signer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def signer(pem: bytes) -> Signer:
    return Signer(pem, "aimx", "a.example")


@pytest.fixture(scope="session")
def second_pem() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def second(second_pem: bytes) -> Signer:
    """The same domain's, with Ed25519."""
    return Signer(second_pem, "aimx-ed25519", "a.example")


@pytest.fixture(scope="session")
def composed() -> Callable[..., Composed]:
    """Compose in a house with two domains, the first of them with a signature if one is given."""

    def make(
        content: bytes,
        *,
        html: bytes | None = None,
        text_only: bool = False,
        signature: str = "",
    ) -> Composed:
        return compose(
            HandedIn(content, html, text_only),
            domains=("a.example", "b.example"),
            signature_for={"a.example": signature, "b.example": ""}.__getitem__,
            now=NOW,
            message_id=lambda domain: f"made@{domain}",
        )

    return make
