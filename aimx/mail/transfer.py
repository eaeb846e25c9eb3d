"""RFC 2045 6: undoing a part's transfer encoding, as far as the octets allow."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    octets: bytes
    damaged: bool = False  # Not all of it could be decoded; what could be is there.


def decode(octets: bytes, encoding: str) -> Decoded:
    """An encoding that we do not know is left as it is (RFC 2045 6.4)."""
    match encoding:
        case "base64":
            return base64(octets)
        case "quoted-printable":
            return Decoded(binascii.a2b_qp(octets))
        case _:
            return Decoded(octets)


def base64(octets: bytes) -> Decoded:
    try:
        return Decoded(binascii.a2b_base64(octets))
    except binascii.Error:
        digits = _NOT_BASE64.sub(b"", octets)
    # One digit alone holds no octet; two and three hold one and two.
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return Decoded(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)), damaged=True)
