"""RSA keys as far as planning needs them: whether one is sound, and its public half.

Read by arithmetic on the DER, since loading a key into OpenSSL takes tens of milliseconds, and
a plan looks at the keys of every domain.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import cache

from desired.frozen import frozen
from reconcilers.der import UnusableKeyError, element, elements, opened, unwrapped, written

# RFC 8301 3.2: verifiers take no less.
SMALLEST = 1024

_INTEGER, _BIT_STRING, _NULL, _SEQUENCE = 0x02, 0x03, 0x05, 0x30
_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")  # RFC 8017 A.1, as a whole element.


@frozen
class PublicKey:
    """What a signature is verified with."""

    modulus: int
    exponent: int

    @property
    def pem(self) -> bytes:
        """RFC 5280 4.1's SubjectPublicKeyInfo in PEM, to the byte as OpenSSL writes it."""
        key = element(_SEQUENCE, _integer(self.modulus) + _integer(self.exponent))
        algorithm = element(_SEQUENCE, _RSA_ENCRYPTION + element(_NULL, b""))
        info = element(_SEQUENCE, algorithm + element(_BIT_STRING, b"\0" + key))
        return written(b"PUBLIC KEY", info)


def public_half(private: bytes) -> PublicKey:
    """The public half of a private key in PKCS#1 or PKCS#8 PEM, once it is seen to be sound."""
    try:
        numbers = _numbers(_der(private))
    except (ValueError, IndexError) as cause:
        if isinstance(cause, UnusableKeyError):
            raise
        raise UnusableKeyError("it is not an RSA key in DER") from cause
    _check(*numbers)
    return PublicKey(numbers[0], numbers[1])


def _der(pem: bytes) -> bytes:
    title, der = opened(pem)
    if title == b"RSA PRIVATE KEY":
        return der
    algorithm, key = unwrapped(der)
    if not algorithm.startswith(_RSA_ENCRYPTION):
        raise UnusableKeyError("it is not an RSA key")
    return key


def _numbers(der: bytes) -> list[int]:
    """RFC 8017 A.1.2: n, e, d, p, q, d mod p-1, d mod q-1, the inverse of q mod p."""
    ((tag, body),) = elements(der)
    parts = list(elements(body))
    if tag != _SEQUENCE or any(part != _INTEGER for part, _ in parts[:9]):
        raise UnusableKeyError("it is not an RSA key in DER")
    version, *numbers = (int.from_bytes(content, signed=True) for _, content in parts[:9])
    if version != 0 or len(numbers) != 8:
        raise UnusableKeyError("it is an RSA key of a kind that is not used for signing")
    return numbers


def _check(n: int, e: int, d: int, p: int, q: int, d_p: int, d_q: int, inverse: int) -> None:
    if n.bit_length() < SMALLEST:
        raise UnusableKeyError(f"it has {n.bit_length()} bits, and verifiers ask for {SMALLEST}")
    sound = (
        min(e, d, p, q) > 1
        and p * q == n
        and (d_p, d_q) == (d % (p - 1), d % (q - 1))
        # What `e * d` leaves too, in half of the time.
        and e * d_p % (p - 1) == e * d_q % (q - 1) == 1
        and inverse * q % p == 1
    )
    if not sound:
        raise UnusableKeyError("its numbers do not belong together")


def _integer(number: int) -> bytes:
    return element(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _pem(p: int, q: int, e: int) -> bytes:
    """RFC 8017 A.1.2 in PEM."""
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    text = b2a_base64(element(_SEQUENCE, b"".join(map(_integer, numbers))), newline=False)
    return b"-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----\n" % text


@cache
def stand_in() -> bytes:
    """Of two Mersenne primes, so that everybody knows it."""
    return _pem(2**1279 - 1, 2**607 - 1, 65537)
