"""Reads a DKIM-Signature field (RFC 6376 3.5): what it claims, before anything is verified.

dkimpy checks the syntax of the tags. What it would let through is refused here.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

import dkim  # type: ignore[import-untyped]
import structlog

from aimx.mail.remembered import remembered
from aimx.verify.canonicalization import BODIES, FIELDS
from aimx.verify.domain import canonical
from aimx.verify.verdict import DkimVerdict

log = structlog.get_logger()

Tags: TypeAlias = Mapping[bytes, bytes]

LONGEST_FIELD = 16 * 1024  # Octets; dkimpy takes time quadratic in them.
MOST_SIGNED = 200  # Names in `h=`.
CLOCKS_DIFFER = timedelta(hours=10)  # How far ahead a signer's clock may be; dkimpy's measure.
LATEST = int(datetime.max.replace(tzinfo=UTC).timestamp()) - 1

# RFC 6376 8.15: a message has at most one of each (RFC 5322 3.6, RFC 2045). Of these, one more
# is taken for signed than `h=` says, so that a second one that was added breaks the signature.
ONCE = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references"
    b" mime-version content-type content-transfer-encoding".split()
)

# What is another for each message. The rest is one signer's, for as long as its signing stays as
# it is. Nor would dkimpy read the times by our clock, nor these as RFC 6376 3.5 has them.
_PASSING = (b"b", b"bh", b"t", b"x", b"i", b"q")

_SECONDS = re.compile(rb"[0-9]{1,12}")
_ENCODED = re.compile(rb"[0-9A-Za-z+/]+=*")
_BROKEN = "the tags break RFC 6376 3.5"
_QUERY = b"dns/txt"
_QUOTED = re.compile(r"=([0-9A-F]{2})")


class SignatureError(Exception):
    """A signature that does not pass: with which verdict, and why."""

    def __init__(self, verdict: DkimVerdict, reason: str) -> None:
        self.verdict: DkimVerdict = verdict
        self.reason = reason
        super().__init__(reason)


class Claim(NamedTuple):
    """What a DKIM-Signature field says of itself."""

    domain: str
    selector: str
    algorithm: bytes
    fields: bytes  # How header fields are canonicalized.
    body: bytes  # How the body is canonicalized.
    length: int | None  # Octets of the body that are signed; None: all of it.
    signed: tuple[bytes, ...]  # Names of header fields in lower case.
    hashed: tuple[bytes, ...]  # These, and those of which one more is taken for signed.
    body_hash: bytes
    signature: bytes
    identity: str  # The domain of `i=`.
    signed_at: datetime | None

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


def tags_of(value: bytes) -> Tags:
    """The tags of a tag list (RFC 6376 3.2), read as dkimpy reads them."""
    if len(value) > LONGEST_FIELD:
        raise SignatureError("permerror", f"it is longer than {LONGEST_FIELD} octets")
    parts = value.strip().split(b";")
    if not parts[-1]:
        parts.pop()
    tags: dict[bytes, bytes] = {}
    for part in parts:
        name, equals, text = part.partition(b"=")
        name = name.strip()
        if not (equals and name[:1].isalpha()) or name in tags:
            raise SignatureError("permerror", "it is no tag list (RFC 6376 3.2)")
        # Folding may stand anywhere in these two, and makes dkimpy's expressions slow.
        tags[name] = b"".join(text.split()) if name in (b"b", b"bh") else text.strip()
    return tags


def signer(tags: Tags) -> tuple[str, str]:
    """Domain and selector, each empty if it is no name."""
    selector = _text(tags.get(b"s", b""))
    found = canonical(f"{selector}._domainkey.example")
    return canonical(_text(tags.get(b"d", b""))) or "", selector.lower() if found else ""


def read(tags: Tags, domain: str, selector: str, now: datetime) -> Claim:
    """The claim, if `tags` make one that may be verified at all. `signer` has read the names."""
    _check_syntax(tags)
    signed_at = _signed_at(tags, now)
    if not domain or not selector:
        raise SignatureError("permerror", "d= or s= is not a domain name")
    if tags[b"a"] == b"rsa-sha1":
        # RFC 8301 3.1: it must not be taken for a signature any more.
        raise SignatureError("policy", "rsa-sha1 is too weak (RFC 8301)")
    fields, body = _canonicalization(tags)
    signed, hashed = _signed(tags[b"h"])
    return Claim(
        domain=domain,
        selector=selector,
        algorithm=tags[b"a"],
        fields=fields,
        body=body,
        length=_length(tags),
        signed=signed,
        hashed=hashed,
        body_hash=_decoded(tags[b"bh"]),
        signature=_decoded(tags[b"b"]),
        identity=_identity(tags, domain),
        signed_at=signed_at,
    )


def _signed_at(tags: Tags, now: datetime) -> datetime | None:
    """RFC 6376 3.5: `t=`, if that and `x=` are as they should be."""
    signed_at = _time(tags[b"t"]) if b"t" in tags else None
    expires = _time(tags[b"x"]) if b"x" in tags else None
    if signed_at and signed_at > now + CLOCKS_DIFFER:
        raise SignatureError("permerror", "the signature is of the future (t=)")
    if signed_at and expires and expires < signed_at:
        raise SignatureError("permerror", "the signature expired before it was made (x=)")
    if expires and expires < now:
        raise SignatureError("fail", "the signature has expired (x=)")
    return signed_at


def _check_syntax(tags: Tags) -> None:
    value, body_hash = tags.get(b"b", b""), tags.get(b"bh")
    if not _ENCODED.fullmatch(value) or len(value) % 4 or body_hash is None or len(body_hash) % 4:
        raise SignatureError("permerror", _BROKEN)
    # RFC 6376 3.5: of several ways to look up a key, those that are not known are passed over.
    if _QUERY not in map(bytes.strip, tags.get(b"q", _QUERY).split(b":")):
        raise SignatureError("permerror", "q= names no way to look up the key that is known")
    lasting = [b"%b=%b" % each for each in tags.items() if each[0] not in _PASSING]
    _check_lasting(b";".join(lasting))


@remembered
def _check_lasting(written: bytes) -> None:
    """Of tags as they stand in a signature, of which none has a semicolon."""
    tags = dict(each.partition(b"=")[::2] for each in written.split(b";") if each)
    try:
        dkim.validate_signature_fields({**tags, b"b": b"AAAA", b"bh": b"AAAA"})
    except dkim.DKIMException as cause:
        raise SignatureError("permerror", _BROKEN) from cause
    except Exception as cause:
        log.exception("dkim signature not read")
        raise SignatureError("permerror", "the tags cannot be read") from cause


def _canonicalization(tags: Tags) -> tuple[bytes, bytes]:
    fields, _, body = tags.get(b"c", b"simple/simple").partition(b"/")
    body = body or b"simple"
    if fields not in FIELDS or body not in BODIES:
        raise SignatureError("permerror", "c= names no canonicalization (RFC 6376 3.4)")
    return fields, body


@remembered
def _signed(value: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    names = tuple(name.strip().lower() for name in value.split(b":"))
    if len(names) > MOST_SIGNED:
        raise SignatureError("permerror", f"h= names more than {MOST_SIGNED} fields")
    if b"from" not in names:
        raise SignatureError("permerror", "the From field is not signed (RFC 6376 5.4)")
    return names, (*names, *sorted(ONCE.intersection(names)))


def _identity(tags: Tags, domain: str) -> str:
    """RFC 6376 3.5: the domain of `i=`, which is `d=` or below it."""
    if b"i" not in tags:
        return domain
    _, at, name = _unquoted(_text(tags[b"i"])).rpartition("@")
    found = canonical(name) if at else None
    if found is None or not (found == domain or found.endswith(f".{domain}")):
        raise SignatureError("permerror", "i= is outside of d=")
    return found


def _unquoted(text: str) -> str:
    """RFC 6376 2.11: what was written as dkim-quoted-printable, as far as it is ASCII."""
    return _QUOTED.sub(lambda octet: chr(int(octet[1], 16)), "".join(text.split()))


def _decoded(value: bytes) -> bytes:
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError as cause:
        raise SignatureError("permerror", "b= or bh= is not base64") from cause


def _length(tags: Tags) -> int | None:
    if b"l" not in tags:
        return None
    if not tags[b"l"]:  # dkimpy takes that for a number.
        raise SignatureError("permerror", "l= is empty (RFC 6376 3.5)")
    return int(tags[b"l"])


def _time(value: bytes) -> datetime:
    """RFC 6376 3.5: seconds in at most twelve digits; what is past our calendar is its end."""
    if not _SECONDS.fullmatch(value):
        raise SignatureError("permerror", "t= or x= is not a time")
    return datetime.fromtimestamp(min(int(value), LATEST), UTC)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
