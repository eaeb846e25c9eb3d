"""RFC 2045 6: undoing a part's transfer encoding, as far as the octets allow."""

from __future__ import annotations

import binascii
import re

from desired.frozen import frozen

_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_FIRST_LINE = re.compile(rb"\s*[A-Za-z0-9+/=]+[ \t]*(?:[\r\n]|\Z)")
_WORDS = re.compile(rb"[^\s][ \t]+[^\s]")
_BEGINNING = 256  # Octets in which text has more than one word.

_BEGIN = re.compile(rb"(?:\A|\n)begin [0-7]{3,4}[^\n]*\n")
_LINES = 600_000  # Of uuencoded octets: more than a message has whose lines are filled.

_PIECES = 1_000  # Of base64, each with its padding, that are put together.


@frozen
class Decoded:
    octets: bytes
    damaged: bool = False  # Not all of it could be decoded; what could be is there.


def decode(octets: bytes, encoding: str) -> Decoded:
    """An encoding that we do not know is left as it is (RFC 2045 6.4)."""
    match encoding:
        case "base64" if _is_text(octets):
            return Decoded(octets, damaged=True)
        case "base64":
            return base64(octets)
        case "quoted-printable":
            return Decoded(binascii.a2b_qp(octets))
        case "x-uuencode" | "x-uue" | "uuencode":
            return uuencoded(octets)
        case _:
            return Decoded(octets)


def base64(octets: bytes) -> Decoded:
    try:
        decoded = binascii.a2b_base64(octets)
    except binascii.Error:
        return Decoded(_salvaged(octets), damaged=True)
    _, _, rest = octets.partition(b"=")
    if not rest.strip(b"= \t\r\n"):
        return Decoded(decoded)
    # Python stops at the first padding. Some senders encode piece by piece; what a list has
    # written below is no base64.
    pieces = octets.split(b"=", _PIECES) if _BASE64.fullmatch(octets) else ()
    if 0 < len(pieces) <= _PIECES:
        decoded = b"".join(map(_salvaged, pieces))
    return Decoded(decoded, damaged=True)


def _is_text(octets: bytes) -> bool:
    """Whether nobody has encoded it, whatever is said.

    RFC 2045 6.8 passes over what is no digit, which would make an octet of every few letters.
    """
    if _FIRST_LINE.match(octets) or not _WORDS.search(octets, 0, _BEGINNING):
        return False
    return not _BASE64.fullmatch(octets)


def uuencoded(octets: bytes) -> Decoded:
    """What stands between `begin` and `end`; without these, or with too many lines, as it is."""
    begin = _BEGIN.search(octets)
    if not begin or octets.count(b"\n") > _LINES:
        return Decoded(octets)
    decoded = bytearray()
    for line in octets[begin.end() :].split(b"\n"):
        text = line.rstrip(b"\r")
        if text == b"end":
            return Decoded(bytes(decoded))
        if text:
            # Some encoders fill the last group with other characters than they should.
            length = ((text[0] - 32) & 63) * 4
            try:
                decoded += binascii.a2b_uu(text[: 1 + (length + 2) // 3])
            except binascii.Error:
                return Decoded(bytes(decoded), damaged=True)
    return Decoded(bytes(decoded), damaged=True)


def _salvaged(octets: bytes) -> bytes:
    digits = _NOT_BASE64.sub(b"", octets)
    # One digit alone holds no octet; two and three hold one and two.
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
