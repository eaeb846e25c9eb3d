"""RFC 6376 3.4: the form of a body and of header fields that is hashed.

Everything here takes time linear in its input, whatever the input: a stranger chooses it.
Line ends are CRLF only; the results are dkimpy's, but for a body that does not end in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4: runs of blanks become one space, none ends a line, no empty line the body."""
    body = _one_space(body).replace(b" \r\n", b"\r\n").rstrip(b" \r\n")
    return body + b"\r\n" if body else b""


def simple_body(body: bytes) -> bytes:
    """RFC 6376 3.4.3: no empty line ends the body, and an empty body is one."""
    return body.rstrip(b"\r\n") + b"\r\n"


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.2. `value` is what follows the colon, with its last CRLF."""
    # These two are no blanks, and `split` takes them for some.
    if b"\v" in value or b"\f" in value:
        value = _one_space(value.replace(b"\r\n", b"")).strip()
    else:
        value = b" ".join(value.split())
    return name.lower().rstrip() + b":" + value + b"\r\n"


def simple_field(name: bytes, value: bytes) -> bytes:
    """RFC 6376 3.4.1: the field as it is."""
    return name + b":" + value


def _one_space(text: bytes) -> bytes:
    """Runs of blanks become one space."""
    text = text.replace(b"\t", b" ")
    # A run of n blanks takes log2(n) rounds over a text that halves where the runs are long.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


BODIES: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"relaxed": relaxed_body,
    b"simple": simple_body,
}
FIELDS: Mapping[bytes, Callable[[bytes, bytes], bytes]] = {
    b"relaxed": relaxed_field,
    b"simple": simple_field,
}
