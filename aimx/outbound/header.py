"""Header fields as they are written: encoded words (RFC 2047) and folding (RFC 5322 2.2.3).

Every function takes time linear in its input.
"""

from __future__ import annotations

import base64

from aimx.mail import words
from aimx.outbound.refusal import malformed

LONGEST_LINE = 998  # Octets without CRLF: RFC 5322 2.1.1.
_LINE = 78
_WORD = 45  # Octets that fit into an encoded word of 75 characters: RFC 2047 2.


def encoded(text: str) -> str:
    """The text as encoded words, each whole in itself (RFC 2047 5)."""
    coded, room = [bytearray()], _WORD
    for character in text:
        octets = character.encode()
        if len(octets) > room:
            coded.append(bytearray())
            room = _WORD
        coded[-1] += octets
        room -= len(octets)
    return " ".join(f"=?utf-8?B?{base64.b64encode(word).decode()}?=" for word in coded)


def unstructured(text: str) -> str:
    """The text as a header may carry it: as it is where that is ASCII."""
    return text if text.isascii() else encoded(words.text(text.encode()))


def field(name: str, value: str) -> bytes:
    """One header field, folded where it has spaces, with its CRLF."""
    lines = [f"{name}:"]
    for word in value.split(" "):
        # No break before nothing: a line of blanks alone would end the header for some.
        if word and len(lines[-1]) + 1 + len(word) > _LINE and lines != [f"{name}:"]:
            lines.append("")
        lines[-1] += f" {word}"
    octets = [line.encode() for line in lines]
    if max(map(len, octets)) > LONGEST_LINE:
        raise malformed(
            f"header '{name}' has a word of more than {LONGEST_LINE} octets: a line cannot hold it"
        )
    return b"\r\n".join(octets) + b"\r\n"
