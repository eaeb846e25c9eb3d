"""DKIM signatures (RFC 6376) on what we send, of one key or of several.

Canonicalisation is the verifier's. What signatures have in common is hashed once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from aimx.outbound.signing_key import KeyUnusableError, loaded
from aimx.verify import key
from aimx.verify.canonicalization import relaxed_body, relaxed_field
from aimx.verify.signature import SignatureError

# Signed once more than they stand, so that none can be added or doubled on the way.
SIGNED = (
    *(b"from", b"to", b"cc", b"subject", b"date", b"message-id"),
    *(b"reply-to", b"in-reply-to", b"references"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)

_FIELD = re.compile(rb"\r\n(?![ \t])")


class Signer:
    """Signs for one domain with one key, which is read once: loading it takes longer than signing.

    Raises `KeyUnusableError` for what is no key to sign with.
    """

    def __init__(self, private_key_pem: bytes, selector: str, domain: str) -> None:
        self.selector = selector
        self.domain = domain
        self._key = loaded(private_key_pem)

    @property
    def algorithm(self) -> str:
        return self._key.algorithm

    def sign(self, wire: bytes, now: datetime) -> bytes:
        """The message with its signature on top."""
        return sign(wire, (self,), now)

    def field(self, covered: Covered, now: datetime) -> bytes:
        """The header field that signs what is covered, with its CRLF."""
        unsigned = self._tags(covered, now)
        digest = covered.header.copy()
        # RFC 6376 3.7: last the signature's own field, without what it will hold and without CRLF.
        digest.update(relaxed_field(b"DKIM-Signature", unsigned + b"\r\n").removesuffix(b"\r\n"))
        signature = base64.b64encode(self._key.sign(digest.digest()))
        return b"".join([b"DKIM-Signature:", unsigned, _folded(signature), b"\r\n"])

    def _tags(self, covered: Covered, now: datetime) -> bytes:
        return b"\r\n ".join(
            [
                b" v=1; a=%s; c=relaxed/relaxed; t=%d;"
                % (self.algorithm.encode(), now.timestamp()),
                b"d=%s;" % self.domain.encode(),
                b"s=%s;" % self.selector.encode(),
                covered.names,
                b"bh=%s;" % covered.body,
                b"b=",
            ]
        )

    @property
    def record(self) -> str:
        """What the DNS must hold at `<selector>._domainkey.<domain>` (RFC 6376 3.6.1)."""
        public = base64.b64encode(self._key.published[0]).decode()
        return f"v=DKIM1; k={self._key.kind}; p={public}"

    def probe(self) -> None:
        """Sign something and check it as a stranger would; raises `KeyUnusableError`."""
        probe = b"probe"
        try:
            signature = self._key.sign(hashlib.sha256(probe).digest())
            key.read(self.record.encode()).check_signature(signature, probe)
        except ValueError as cause:
            raise KeyUnusableError("its numbers are no RSA key's") from cause
        except SignatureError as cause:
            raise KeyUnusableError("its signature does not verify") from cause

    def is_published(self, record: bytes) -> bool:
        """Whether a TXT record of the DNS holds this key's public half."""
        tags = dict(map(_tag, record.split(b";")))
        try:
            published = base64.b64decode(re.sub(rb"\s", b"", tags.get(b"p", b"")))
        except ValueError:
            return False
        return published in self._key.published


def sign(wire: bytes, signers: Sequence[Signer], now: datetime) -> bytes:
    """The message with a signature of each on top, the first one's uppermost."""
    covered = Covered(wire)
    return b"".join([*(signer.field(covered, now) for signer in signers), wire])


class Covered:
    """What a signature covers of a message, whoever makes it."""

    def __init__(self, wire: bytes) -> None:
        head, _, body = wire.partition(b"\r\n\r\n")
        values: dict[bytes, list[bytes]] = {}
        for field in _FIELD.split(head):
            name, _, value = field.partition(b":")
            values.setdefault(name.lower(), []).append(value + b"\r\n")
        self.body = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        self.header = hashlib.sha256(_canonical(values))
        self.names = _listed(tuple(len(values.get(name, ())) for name in SIGNED))


def _canonical(values: Mapping[bytes, Sequence[bytes]]) -> bytes:
    """RFC 6376 5.4.2: of a field that stands several times, the last one first."""
    return b"".join(
        relaxed_field(name, value) for name in SIGNED for value in reversed(values.get(name, ()))
    )


@lru_cache(maxsize=64)
def _listed(counts: tuple[int, ...]) -> bytes:
    """`h=`, folded: each name as often as it stands, and once more."""
    names = [name for name, count in zip(SIGNED, counts, strict=True) for _ in range(count + 1)]
    text = f"h={b' : '.join(names).decode()};"
    return "\r\n ".join(textwrap.wrap(text, 75, break_on_hyphens=False)).encode()


def _folded(signature: bytes) -> bytes:
    return b"\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72))


def _tag(text: bytes) -> tuple[bytes, bytes]:
    name, _, value = text.partition(b"=")
    return name.strip(), value.strip()
