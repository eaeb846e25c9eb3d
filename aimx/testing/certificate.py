"""Certificates that nobody vouches for, made for the moment."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconcilers.host.keys import new_certificate


def throwaway(hostname: str) -> bytes:
    """A chain of one for that name, then its key, in PEM: of a curve, since RSA takes its time."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return new_certificate(hostname, private, datetime.now(UTC)) + private


def throwaway_tls() -> ssl.SSLContext:
    """A server's side of TLS with one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(throwaway("exchanger.test"))
        context.load_cert_chain(file.name)
    return context
