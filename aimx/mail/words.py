"""RFC 2047: the text that encoded words in a header field stand for."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator

from aimx.mail import charsets, invisible, transfer

# Spaces inside a word break RFC 2047 2, and are common. No `?` inside the text keeps this linear.
_WORD = re.compile(rb"=\?([^?\s=]{1,64})\?([BbQq])\?([^?]*)\?=")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def text(value: bytes, likely: str = "") -> str:
    """A field's value for people: one line, without control characters, whatever was encoded.

    `likely`: the charset of what should have been encoded and was not.
    """
    if b"=?" in value:
        found = "".join(_pieces(value, likely))
    elif value.isascii():
        return one_line(value.decode())
    else:
        found = charsets.guess(value, likely)
    return one_line(invisible.without(found))


def one_line(found: str) -> str:
    if not found.isprintable():
        found = _UNPRINTABLE.sub(" ", found)
    return found.strip()


def _pieces(value: bytes, likely: str) -> Iterator[str]:
    """Plain text and decoded words, in order.

    Neighbours in one charset are decoded together: senders split characters between words,
    which RFC 2047 5 forbids.
    """
    charset, pending, end = "", list[bytes](), 0
    for word in _WORD.finditer(value):
        between = value[end : word.start()]
        # RFC 2231 5 allows a language after the charset.
        named = word[1].decode("latin-1").partition("*")[0]
        if named != charset or between.strip():
            yield charsets.decode(b"".join(pending), charset)
            pending.clear()
        # RFC 2047 6.2: white space between two encoded words is not shown.
        if between.strip() or end == 0:
            yield charsets.guess(between, likely)
        pending.append(_octets(word))
        charset, end = named, word.end()
    yield charsets.decode(b"".join(pending), charset)
    yield charsets.guess(value[end:], likely)


def _octets(word: re.Match[bytes]) -> bytes:
    if word[2] in b"Bb":
        return transfer.base64(word[3]).octets
    return a2b_qp(word[3], header=True)
