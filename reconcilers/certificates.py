"""Certificates as far as planning needs them: whether one is for a host name and a key.

Nothing is verified, since nothing is believed: both files are our own. So what ought to be in
the certificate's DER is looked for there, which needs neither a parser nor OpenSSL.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64

from reconcilers.der import UnusableKeyError
from reconcilers.rsa import public_half

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----\r?\n([A-Za-z0-9+/=\s]+)-----END [A-Z ]+-----")


def belongs_to(cert: bytes, key: bytes, hostname: str) -> bool:
    """Whether the certificate names the host and carries the public half of the key."""
    certificate, public = _der(cert), _public(key)
    name = hostname.encode()
    # RFC 5280 4.2.1.6: a dNSName is the element [2] of a GeneralName.
    named = bytes((0x82, len(name))) + name
    return bool(public) and public in certificate and named in certificate


def stand_in_for(hostname: str, key: bytes) -> bytes:
    """No certificate, but what `belongs_to` looks for in one: for predictions."""
    name = hostname.encode()
    content = b2a_base64(_public(key) + bytes((0x82, len(name))) + name, newline=False)
    return b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % content


def _public(key: bytes) -> bytes:
    """Bytes that stand in the certificate of this key and of no other; none if it is no key."""
    try:
        modulus = public_half(key).modulus
    except UnusableKeyError:
        return b""
    return modulus.to_bytes((modulus.bit_length() + 7) // 8)


def _der(pem: bytes) -> bytes:
    """The first block of the PEM; nothing where it is damaged."""
    found = _PEM.search(pem)
    try:
        return a2b_base64(b"".join(found[1].split()), strict_mode=True) if found else b""
    except Error:
        return b""
