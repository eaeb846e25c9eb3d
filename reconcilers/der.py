"""PEM and DER, as far as private keys need them."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterator

_PEM = re.compile(
    rb"-----BEGIN ((?:RSA )?PRIVATE KEY)-----\r?\n([A-Za-z0-9+/=\s]+)-----END \1-----"
)
_OCTET_STRING = 0x04


class UnusableKeyError(ValueError):
    """Bytes that are no key to sign with. Says why, after a colon."""


def opened(pem: bytes) -> tuple[bytes, bytes]:
    """The title of a private key in PEM, and the DER in it."""
    if b"ENCRYPTED" in pem:
        raise UnusableKeyError("it is protected by a passphrase, which nobody could type")
    found = _PEM.search(pem)
    if not found:
        raise UnusableKeyError("it is not a private key in PEM")
    try:
        return found[1], a2b_base64(b"".join(found[2].split()), strict_mode=True)
    except Error as cause:
        raise UnusableKeyError("its PEM is damaged") from cause


def written(title: bytes, der: bytes) -> bytes:
    """The PEM of it, to the byte as OpenSSL writes it."""
    text = b2a_base64(der, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join((b"-----BEGIN %b-----" % title, *lines, b"-----END %b-----" % title, b""))


def unwrapped(der: bytes) -> tuple[bytes, bytes]:
    """RFC 5958 2: the name of an algorithm, and the key that is wrapped together with it.

    Raises ValueError or IndexError for what is no PKCS#8.
    """
    (_, body), *_ = elements(der)
    _, (_, algorithm), (tag, key), *_ = elements(body)
    if tag != _OCTET_STRING:
        raise UnusableKeyError("it is not a private key in PKCS#8")
    return algorithm, key


def elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one after the other: tag and content."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(der[at : at + octets])
            at += octets
        if at + length > len(der):
            raise UnusableKeyError("it is cut off")
        yield tag, der[at : at + length]
        at += length


def element(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content
