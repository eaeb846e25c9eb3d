"""The fields of a header (RFC 5322 2.2), read from its octets.

Nothing is refused here: a line that is no field is passed over, and what lies beyond the limit
is not read, which `complete` tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aimx.mail import words

LIMIT = 256 * 1024  # Octets of a header that are read.

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\n(?=[ \t])")
# Some agents leave a line of the mbox format on top.
_FIRST_FIELD = re.compile(rb"(?:From [^\n]*\n)?[!-9;-~]+[ \t]*:")


class Header(NamedTuple):
    fields: Mapping[str, Sequence[bytes]]  # By lower-case name: unfolded values, in their order.
    body: int  # Where the body begins in the content.
    complete: bool = True

    def values(self, name: str) -> Sequence[bytes]:
        return self.fields.get(name, ())

    def value(self, name: str) -> bytes:
        """The first of that name; empty if there is none."""
        values = self.fields.get(name)
        return values[0] if values else b""

    def text(self, name: str) -> str:
        """The first of that name, decoded for people."""
        value = self.value(name)
        return words.text(value) if value else ""


def read(content: bytes, start: int = 0, end: int | None = None) -> Header:
    """Content that does not begin with a field or an empty line is all body."""
    end = len(content) if end is None else end
    if content.startswith((b"\r\n", b"\n"), start, end):
        return Header({}, content.index(b"\n", start) + 1)
    if not _FIRST_FIELD.match(content, start, end):
        return Header({}, start)
    empty = _EMPTY_LINE.search(content, start, end)
    stop, body = empty.span() if empty else (end, end)
    block = content[start : min(stop, start + LIMIT)]
    return Header(_fields(block), body, complete=stop <= start + LIMIT)


def _fields(block: bytes) -> Mapping[str, Sequence[bytes]]:
    fields: dict[str, list[bytes]] = {}
    unfolded = _FOLD.sub(b"", block.replace(b"\r\n", b"\n"))
    for line in unfolded.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            # RFC 5322 4.5: white space before the colon is obsolete, and still the same field.
            key = name.rstrip(b" \t").lower().decode("latin-1")
            if key in fields:
                fields[key].append(value.strip())
            else:
                fields[key] = [value.strip()]
    return fields
