"""Messages whose DKIM signature must be checked anew for each, and the zone behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from load import SENDER, Letter, Messages

from aimx.outbound.sign import Signer

_DOMAIN = SENDER.partition("@")[2]
_COVERED = [b"from", b"to", b"subject", b"date"]


def signed(messages: Messages) -> tuple[Messages, dict[str, Any]]:
    """Every message differs in its Message-ID alone, so one that is not signed fits all."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signature = dkim.sign(
        messages.content(0),
        b"bench",
        _DOMAIN.encode(),
        private,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=_COVERED,
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    encoded = "".join(public.decode().splitlines()[1:-1])
    return replace(messages, signature=signature), _zone(_DOMAIN, f"v=DKIM1; k=rsa; p={encoded}")


@dataclass(slots=True)
class Strangers:
    """One message of each of many domains, signed before anything is measured."""

    letters: list[Letter]
    zone: dict[str, Any]
    _left: Iterator[Letter] | None = None

    @classmethod
    def of(cls, domains: int, size: int) -> Strangers:
        """They share a key, which nobody can know before having looked it up for each of them."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        messages, letters, zone = Messages(size), [], dict[str, Any]()
        for number in range(domains):
            domain = f"stranger{number}.example"
            signer = Signer(pem, "bench", domain)
            content = messages.content(number, f"someone@{domain}")
            wire = signer.sign(content, datetime.now(UTC)) + b".\r\n"
            letters.append(Letter(f"someone@{domain}".encode(), wire))
            zone |= _zone(domain, signer.record)
        return cls(letters, zone)

    def part(self, at: int, size: int) -> Strangers:
        """Those of some of the domains."""
        return Strangers(list(islice(self.letters, at, at + size)), self.zone)

    def __next__(self) -> Letter:
        if self._left is None:
            self._left = iter(self.letters)
        return next(self._left)


def _zone(domain: str, key: str) -> dict[str, Any]:
    return {
        domain: {"TXT": "v=spf1 ip4:127.0.0.1 -all"},
        f"_dmarc.{domain}": {"TXT": "v=DMARC1; p=reject"},
        f"bench._domainkey.{domain}": {"TXT": key},
    }
