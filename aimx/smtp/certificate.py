"""The certificate that STARTTLS shows, from bytes: none is on a disk that a worker can read."""

from __future__ import annotations

import os
import ssl

from aimx.channel.sealed import sealed


class CertificateError(Exception):
    """A certificate or key that no TLS session can be made with."""


def context(pem: bytes) -> ssl.SSLContext:
    """A server's context from a chain with its key behind it; TLS 1.2 and newer (RFC 8996)."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module loads by path alone, so the bytes get one.
    descriptor = sealed(pem)
    try:
        made.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as cause:
        raise CertificateError(f"the certificate and its key cannot be used: {cause}") from cause
    finally:
        os.close(descriptor)
    return made


def _no_password() -> bytes:
    # Without this OpenSSL would ask for one on the terminal.
    raise ValueError("the key is encrypted; decrypt it for the server's use")
