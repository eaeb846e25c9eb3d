import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.der import UnusableKeyError
from reconcilers.rsa import public_half

KEY = rsa.generate_private_key(65537, 2048)
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
PKCS8 = serialization.PrivateFormat.PKCS8


def pem(key, form=PKCS8, encryption=None):
    encryption = encryption or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("form", [PKCS1, PKCS8], ids=["PKCS#1", "PKCS#8"])
@pytest.mark.parametrize("bits", [1024, 2048])
def test_the_public_half_is_openssls_to_the_byte(form, bits):
    key = KEY if bits == 2048 else rsa.generate_private_key(65537, bits)

    assert public_half(pem(key, form)).pem == spki(key)


def test_a_key_with_windows_line_ends_is_as_good():
    assert public_half(pem(KEY).replace(b"\n", b"\r\n")).pem == spki(KEY)


def other_numbers():
    """The key of KEY's modulus with another prime's factor."""
    own = KEY.private_numbers()
    other = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    der = pem(KEY, PKCS1)
    raw = base64.b64decode(b"".join(der.splitlines()[1:-1]))
    swapped = raw.replace(own.public_numbers.n.to_bytes(256), other.n.to_bytes(256))
    return b"-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----\n" % (
        base64.b64encode(swapped)
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "not a private key in PEM", id="empty"),
        pytest.param(spki(KEY), "not a private key in PEM", id="public"),
        pytest.param(pem(ed25519.Ed25519PrivateKey.generate()), "not an RSA key", id="Ed25519"),
        pytest.param(pem(rsa.generate_private_key(65537, 1024))[:300], "PEM", id="cut off"),
        pytest.param(
            pem(KEY, encryption=serialization.BestAvailableEncryption(b"secret")),
            "protected by a passphrase",
            id="encrypted",
        ),
        pytest.param(other_numbers(), "its numbers do not belong together", id="mixed"),
    ],
)
def test_what_cannot_sign_says_why(content, reason):
    with pytest.raises(UnusableKeyError, match=reason):
        public_half(content)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(content):
    with pytest.raises(UnusableKeyError):
        public_half(b"-----BEGIN RSA PRIVATE KEY-----\n" + content)


@given(st.integers(0, 1190), st.binary(min_size=1, max_size=1))
def test_a_damaged_key_gives_its_own_error_or_its_own_public_half(position, byte):
    content = pem(KEY, PKCS1)
    damaged = content[:position] + byte + content[position + 1 :]
    try:
        half = public_half(damaged)
    except UnusableKeyError:
        return
    assert half.pem == spki(KEY)
