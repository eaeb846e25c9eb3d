"""Content-Type and Content-Disposition: a value and its parameters (RFC 2045 5.1, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aimx.mail import charsets, comments, words
from aimx.mail.remembered import remembered
from desired.frozen import field, frozen

LIMIT = 16 * 1024  # Octets of a field that are read.

_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
# Everything may be escaped, and these two must: who writes a path of Windows escapes nothing.
_ESCAPED = re.compile(rb'\\(["\\])')
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_USUAL = re.compile(rb"[A-Za-z0-9/.+-]*")  # By far the most types.
_NAMES = ("filename", "name")  # Whose values are for people, who write them as they please.
_SECTION = re.compile(r"([^*]+)\*([0-9]{1,4})(\*?)")


@frozen
class Parameterized:
    value: str  # Lower case; empty if there is none.
    parameters: Mapping[str, str] = field(default_factory=dict)  # By lower-case name, decoded.


@remembered
def read(field_value: bytes) -> Parameterized:
    """The first of two equal parameters holds."""
    head, _, _ = field_value[:LIMIT].partition(b";")
    value, more = head.strip(), b""
    if not _USUAL.fullmatch(value):
        value, _, more = _tight(head).partition(b" ")
    tail = field_value[len(head) : LIMIT]
    # Some agents leave out the first semicolon.
    if b"=" in more:
        tail = b";" + more + tail
    return Parameterized(value.lower().decode("latin-1"), _parameters(tail) if tail else {})


def _tight(head: bytes) -> bytes:
    """A type without the comments and blanks that may stand in it (RFC 822 3.1.4), and what follows
    after one blank.
    """
    head = comments.without(head.decode("latin-1")).encode("latin-1")
    head, _, _ = head.partition(b"(")
    pieces = [piece.strip() for piece in head.split(b"/", 1)]
    return b" ".join(b"/".join(pieces).split(None, 1))


def _parameters(tail: bytes) -> Mapping[str, str]:
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for found in _PARAMETER.finditer(tail):
        name, raw = found[1].lower().decode("latin-1"), _unquoted(found[2])
        if "*" not in name:
            plain.setdefault(name, words.text(raw) if name in _NAMES else _token(found[2], raw))
        elif section := _SECTION.fullmatch(name):
            numbered = sections.setdefault(section[1], {})
            numbered.setdefault(int(section[2]), (raw, bool(section[3])))
        else:
            extended.setdefault(name.rstrip("*"), _extended(raw))
    for name, numbered in sections.items():
        extended.setdefault(name, _joined(numbered))
    # RFC 2231 3: who writes both means the plain one for readers that know no better.
    return {**plain, **extended}


def _unquoted(raw: bytes) -> bytes:
    if raw.startswith(b'"') and raw.endswith(b'"') and len(raw) > 1:
        return _ESCAPED.sub(rb"\1", raw[1:-1])
    return raw.strip().removeprefix(b'"')  # Which does not end.


def _token(written: bytes, raw: bytes) -> str:
    """RFC 2045 5.1: what is no text for people ends before a comment, and is what it looks like."""
    if not written.startswith(b'"'):
        raw = raw.partition(b"(")[0].rstrip()
    return words.one_line(charsets.guess(raw))


def _extended(raw: bytes) -> str:
    """RFC 2231 4: `charset'language'percent-encoded`."""
    charset, quote, rest = raw.partition(b"'")
    _, second_quote, encoded = rest.partition(b"'")
    if not (quote and second_quote):
        return words.one_line(charsets.guess(_octets(raw)))
    return words.one_line(charsets.decode(_octets(encoded), charset.decode("latin-1")))


def _joined(sections: Mapping[int, tuple[bytes, bool]]) -> str:
    """RFC 2231 3 and 4.1: numbered from 0, only the first names the charset."""
    ordered: list[tuple[bytes, bool]] = []
    while section := sections.get(len(ordered)):
        ordered.append(section)
    if not ordered:
        return ""
    charset, octets = "", b""
    first, is_encoded = ordered[0]
    if is_encoded and first.count(b"'") >= 2:
        label, _, first = first.split(b"'", 2)
        charset = label.decode("latin-1")
    pieces = [(first, is_encoded), *ordered[1:]]
    octets = b"".join(_octets(raw) if encoded else raw for raw, encoded in pieces)
    return words.one_line(charsets.decode(octets, charset))


def _octets(encoded: bytes) -> bytes:
    return _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), encoded)
