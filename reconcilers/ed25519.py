"""Ed25519 keys as far as planning needs them: whether one is sound, and its public half."""

from __future__ import annotations

from reconcilers.der import UnusableKeyError, element, elements, opened, unwrapped, written

_BIT_STRING, _OCTET_STRING, _SEQUENCE = 0x03, 0x04, 0x30
_ED25519 = bytes.fromhex("06032b6570")  # RFC 8410 3, as a whole element.
_OCTETS = 32  # RFC 8032 5.1.5: any 32 octets are a private key.


def public_pem(private: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a private key in PKCS#8 PEM; raises `UnusableKeyError`."""
    seed = _seed(private)
    # Its import takes longer than planning for a few domains, and most have no such key.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    # RFC 8410 4.
    info = element(_SEQUENCE, element(_SEQUENCE, _ED25519) + element(_BIT_STRING, b"\0" + public))
    return written(b"PUBLIC KEY", info)


def _seed(private: bytes) -> bytes:
    title, der = opened(private)
    if title != b"PRIVATE KEY":
        raise UnusableKeyError("it is not an Ed25519 key")
    try:
        algorithm, wrapped = unwrapped(der)
        if algorithm != _ED25519:
            raise UnusableKeyError("it is not an Ed25519 key")
        ((tag, seed),) = elements(wrapped)
    except (ValueError, IndexError) as cause:
        if isinstance(cause, UnusableKeyError):
            raise
        raise UnusableKeyError("it is not an Ed25519 key in DER") from cause
    if tag != _OCTET_STRING or len(seed) != _OCTETS:
        raise UnusableKeyError("it is not an Ed25519 key in DER")
    return seed


def _pem(seed: bytes) -> bytes:
    """RFC 8410 7."""
    algorithm = element(_SEQUENCE, _ED25519)
    wrapped = element(_OCTET_STRING, element(_OCTET_STRING, seed))
    return written(b"PRIVATE KEY", element(_SEQUENCE, b"\x02\x01\x00" + algorithm + wrapped))


def stand_in() -> bytes:
    """Of a seed that everybody can guess."""
    return _pem(bytes(_OCTETS))
