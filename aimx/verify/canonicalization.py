"""RFC 6376 3.4: the form of a body and of header fields that is hashed.

Everything here takes time linear in its input, whatever the input: a stranger chooses it.
Bodies have CRLF line ends only; for those that end in one the results are dkimpy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dkim.canonicalization import Relaxed, Simple  # type: ignore[import-untyped]


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4: runs of blanks become one space, none ends a line, no empty line the body."""
    body = body.replace(b"\t", b" ")
    # A run of n blanks takes log2(n) rounds over a body that halves where the runs are long.
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    body = body.replace(b" \r\n", b"\r\n").rstrip(b" \r\n")
    return body + b"\r\n" if body else b""


def simple_body(body: bytes) -> bytes:
    """RFC 6376 3.4.3: no empty line ends the body, and an empty body is one."""
    return body.rstrip(b"\r\n") + b"\r\n"


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.2. `value` is what follows the colon, with its last CRLF."""
    return _joined(Relaxed.canonicalize_headers([(name, value)])[0])


def simple_field(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.1: the field as it is."""
    return _joined(Simple.canonicalize_headers([(name, value)])[0])


def _joined(field: tuple[bytes, bytes]) -> bytes:
    return b":".join(field)


BODIES: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"relaxed": relaxed_body,
    b"simple": simple_body,
}
FIELDS: Mapping[bytes, Callable[[bytes, bytes], bytes]] = {
    b"relaxed": relaxed_field,
    b"simple": simple_field,
}
