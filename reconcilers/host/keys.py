"""Fresh private keys, and self-signed certificates for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from desired.desired import Algorithm

# RFC 8301 3.2: signers use keys of 1024 bits at least, and should use 2048.
_KEY_BITS = 2048

# Nobody who delivers mail checks a self-signed certificate; it must only not run out.
_VALIDITY = timedelta(days=3650)

# The peers' clocks may be behind ours.
_LEEWAY = timedelta(hours=1)

_LONGEST_SUBJECT = 64  # RFC 5280 appendix A, ub-common-name.


def new_private_key(algorithm: Algorithm = "rsa-sha256") -> bytes:
    """A key in PEM: RSA in PKCS#1, Ed25519 in PKCS#8, which is the only form that it has."""
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    match algorithm:
        case "rsa-sha256":
            key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
            form = serialization.PrivateFormat.TraditionalOpenSSL
        case "ed25519-sha256":
            key = ed25519.Ed25519PrivateKey.generate()
            form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def new_certificate(hostname: str, private_key: bytes, now: datetime) -> bytes:
    """A self-signed certificate in PEM for that name, of a key in PEM: RSA, or of a curve."""
    key = serialization.load_pem_private_key(private_key, password=None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    fits = len(hostname) <= _LONGEST_SUBJECT
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)] if fits else [])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + _VALIDITY)
        # RFC 5280 4.2.1.6: critical where the subject is empty.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=not fits)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
