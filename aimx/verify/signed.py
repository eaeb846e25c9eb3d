"""A message as its signers saw it: header fields, body, and what is signed of both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from aimx.verify.canonicalization import BODIES, FIELDS
from aimx.verify.signature import Claim, SignatureError
from desired.frozen import field, frozen

Field: TypeAlias = tuple[bytes, bytes]  # What is before the colon, and behind it with its CRLF.

MOST_FIELDS = 500
LONGEST_HEADER = 256 * 1024  # Octets.
LONGEST_DATE = 200  # Octets.
SIGNATURE = b"dkim-signature"

_NO_FIELDS = "the header has lines that are no fields (RFC 5322 2.2)"

# RFC 6376 3.7: `b=` is hashed without its value and the blanks around that.
_B_TAG = re.compile(rb"\s*b\s*=")
# RFC 5322 2.2: a field with its folded lines, 4.5: and with blanks before its colon; else all that
# is left.
_FIELD = re.compile(rb"([!-9;-~]+[ \t]*):([^\r]*\r\n(?:[ \t][^\r]*\r\n)*)|(?s:.+)")


@frozen
class Signed:
    """The header fields from top to bottom, and the body."""

    fields: tuple[Field, ...]
    body: bytes
    _named: dict[bytes, list[Field]] = field(default_factory=dict)  # By lower-case name.
    _digests: dict[tuple[bytes, int | None], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = self._named
        for each in self.fields:
            name = each[0].rstrip(b" \t").lower()
            if name in named:
                named[name].append(each)
            else:
                named[name] = [each]

    def signatures(self) -> tuple[Field, ...]:
        return tuple(self._named.get(SIGNATURE, ()))

    def body_digest(self, claim: Claim) -> bytes:
        """Raises SignatureError where less is there than is said to be signed."""
        key = claim.body, claim.length
        if key not in self._digests:
            canonical = memoryview(BODIES[claim.body](self.body))
            if claim.length is not None and claim.length > len(canonical):
                raise SignatureError("permerror", "l= is beyond the end of the body (RFC 6376 3.5)")
            self._digests[key] = hashlib.sha256(canonical[: claim.length]).digest()
        return self._digests[key]

    def header(self, claim: Claim, signature: Field) -> bytes:
        """What is signed of it (RFC 6376 3.7). `signature` is the field that makes the claim."""
        form = FIELDS[claim.fields]
        parts = [form(name, text) for name, text in self._selected(claim.hashed, signature)]
        name, value = signature
        parts.append(form(name, without_signature(value)).removesuffix(b"\r\n"))
        return b"".join(parts)

    def date(self, claim: Claim) -> datetime | None:
        """The Date field if it is signed, and one."""
        dates = self._named.get(b"date", ())
        if b"date" not in claim.signed or len(dates) != 1 or len(dates[0][1]) > LONGEST_DATE:
            return None
        try:
            found = parsedate_to_datetime(dates[0][1].decode("ascii").strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def _selected(self, names: tuple[bytes, ...], signature: Field) -> Iterable[Field]:
        """RFC 6376 5.4.2: the last of a name first, and nothing where there are too few."""
        left = {name: [*fields] for name, fields in self._named.items()}
        # RFC 6376 3.5: `h=` means other signatures, and never its own.
        left[SIGNATURE] = [each for each in left.get(SIGNATURE, ()) if each is not signature]
        return [left[name].pop() for name in names if left.get(name)]


def read(content: bytes) -> Signed | None:
    """None: the message has no signature. Raises SignatureError if its header is none."""
    header, body = _parted(content)
    if SIGNATURE not in header.lower():
        return None
    if len(header) > LONGEST_HEADER:
        raise SignatureError("permerror", f"the header is longer than {LONGEST_HEADER} octets")
    fields = _fields(header)
    if len(fields) > MOST_FIELDS:
        raise SignatureError("permerror", f"the header has more than {MOST_FIELDS} fields")
    return Signed(fields, content[body:])


def _fields(header: bytes) -> tuple[Field, ...]:
    """In time linear in its octets, which dkimpy's reading of folded lines is not."""
    fields = _FIELD.findall(header)
    # After each CR of a field an LF stands: with as many of these, none stands alone.
    if not fields[-1][0] or header.count(b"\r") != header.count(b"\n") or b"\0" in header:
        raise SignatureError("permerror", _NO_FIELDS)
    return tuple(fields)


def without_signature(value: bytes) -> bytes:
    """The DKIM-Signature field as it was signed: with nothing behind `b=`."""
    tags = value.split(b";")
    for at, tag in enumerate(tags):
        if mark := _B_TAG.match(tag):
            tags[at] = mark[0]
    return b";".join(tags)


def _parted(content: bytes) -> tuple[bytes, int]:
    """The header with its last CRLF, and where the body begins (RFC 5322 2.1)."""
    if content.startswith(b"\r\n"):
        return b"", 2
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return content.removesuffix(b"\r\n") + b"\r\n", len(content)
    return content[: end + 2], end + 4
