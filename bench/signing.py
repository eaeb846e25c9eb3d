"""Messages with a DKIM signature that a server must check anew for each, and the zone behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from load import SENDER, Messages

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
    return replace(messages, signature=signature), _zone(public.decode())


def _zone(public: str) -> dict[str, Any]:
    encoded = "".join(public.splitlines()[1:-1])
    return {
        _DOMAIN: {"TXT": "v=spf1 ip4:127.0.0.1 -all"},
        f"_dmarc.{_DOMAIN}": {"TXT": "v=DMARC1; p=reject"},
        f"bench._domainkey.{_DOMAIN}": {"TXT": f"v=DKIM1; k=rsa; p={encoded}"},
    }
