import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.der import UnusableKeyError
from reconcilers.ed25519 import public_pem, stand_in

KEY = ed25519.Ed25519PrivateKey.generate()
# RFC 8410 10.3, with a public half and an attribute beside the private one.
WITH_MORE = b"""\
-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
"""


def pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


def spki(private):
    return (
        serialization.load_pem_private_key(private, None)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(pem(KEY), id="OpenSSL's"),
        pytest.param(pem(KEY).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(stand_in(), id="a prediction's"),
    ],
)
def test_the_public_half_is_openssls_to_the_byte(private):
    assert public_pem(private) == spki(private)


def test_what_stands_beside_the_private_half_is_read_over():
    # RFC 8410 10.1 has the public half of the same key.
    assert public_pem(WITH_MORE) == (
        b"-----BEGIN PUBLIC KEY-----\n"
        b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        b"-----END PUBLIC KEY-----\n"
    )


RSA = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "not a private key in PEM", id="empty"),
        pytest.param(spki(pem(KEY)), "not a private key in PEM", id="public"),
        pytest.param(pem(RSA), "not an Ed25519 key$", id="RSA"),
        pytest.param(pem(x25519.X25519PrivateKey.generate()), "not an Ed25519 key$", id="X25519"),
        pytest.param(
            b"-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
            "not an Ed25519 key$",
            id="PKCS#1",
        ),
        pytest.param(
            pem(KEY, serialization.BestAvailableEncryption(b"secret")),
            "protected by a passphrase",
            id="encrypted",
        ),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            "not an Ed25519 key in DER",
            id="hollow",
        ),
    ],
)
def test_what_cannot_sign_says_why(content, reason):
    with pytest.raises(UnusableKeyError, match=reason):
        public_pem(content)


@given(st.integers(0, 118), st.binary(min_size=1, max_size=1))
def test_a_damaged_key_gives_its_own_error_or_the_public_half_of_another(position, byte):
    content = pem(KEY)
    damaged = content[:position] + byte + content[position + 1 :]
    try:
        half = public_pem(damaged)
    except UnusableKeyError:
        return
    assert half.startswith(b"-----BEGIN PUBLIC KEY-----\n")
