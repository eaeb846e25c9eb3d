"""The text of header fields: encoded words both ways (RFC 2047), and folding (RFC 5322 2.2.3).

Every function takes time linear in its input.
"""

from __future__ import annotations

import base64
import binascii
import re

from aimx.outbound.refusal import malformed

# An author says in one of these what he writes. A codec is code, and not every codec of Python's
# is meant for text from strangers.
CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin1", "windows-1252"}
)
LONGEST_LINE = 998  # Octets without CRLF: RFC 5322 2.1.1.
_LINE = 78
_WORD = 45  # Octets that fit into an encoded word of 75 characters: RFC 2047 2.

_ENCODED = re.compile(r"=\?([A-Za-z0-9._-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?\?([bBqQ])\?([^?\s]*)\?=")
_BETWEEN = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_QUOTED = re.compile(r"=([0-9A-Fa-f]{2})")


def decoded(text: str) -> str:
    """What a reader sees; nothing in it is a control character."""
    # RFC 2047 6.2: the blanks between two encoded words are not shown.
    shown = _ENCODED.sub(_word, _BETWEEN.sub("", text))
    return "".join(c if c.isprintable() else " " for c in shown).strip()


def _word(found: re.Match[str]) -> str:
    charset, encoding, coded = found.groups()
    if charset.lower() not in CHARSETS or not coded.isascii():
        return found[0]
    if encoding in "qQ":
        octets = _QUOTED.sub(lambda hexadecimal: chr(int(hexadecimal[1], 16)), coded)
        return octets.replace("_", " ").encode("latin-1").decode(charset, "replace")
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode(
            charset, "replace"
        )
    except binascii.Error:
        return found[0]


def encoded(text: str) -> str:
    """The text as encoded words, each whole in itself (RFC 2047 5)."""
    words, room = [bytearray()], _WORD
    for character in text:
        octets = character.encode()
        if len(octets) > room:
            words.append(bytearray())
            room = _WORD
        words[-1] += octets
        room -= len(octets)
    return " ".join(f"=?utf-8?B?{base64.b64encode(word).decode()}?=" for word in words)


def unstructured(text: str) -> str:
    """The text as a header may carry it: as it is where that is ASCII."""
    return text if text.isascii() else encoded(decoded(text))


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
