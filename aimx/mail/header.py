"""The fields of a header (RFC 5322 2.2), read from its octets.

Nothing is refused here: one line between fields that is none is passed over, more of them are the
text, before which the empty line is missing. What lies beyond the limit is not read, which
`complete` tells.
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
# Parameters that are not indented, where more of them are announced: meant as a fold.
_NOT_INDENTED = re.compile(rb"(?<=;)\n(?![^\s:]+[ \t]*:)")
_FIELD = r"[^\s:]+ (?: \r?\n (?=[ \t]) | [ \t] )* :"  # Its name may be folded before the colon.
# A line that is no field, nor goes on with one, nor is of the mbox format; and no field follows it
# and what goes on with it, or it is a boundary.
_TEXT = re.compile(
    rf"""^ (?<! ;\n ) (?<! ;\r\n )
    (?! [ \t\r\n] | >?From[ ] | {_FIELD} | \Z )
    (?: -- | [^\n]*+ (?: \n [ \t] [^\n]*+ )*+ (?: \n (?! {_FIELD} ) | \Z ) )""".encode(),
    re.MULTILINE | re.VERBOSE,
)


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
    fields, is_plain = _fields(block)
    if is_plain:
        return Header(fields, body, complete=stop <= start + LIMIT)
    return _broken(block, start, stop, body)


def _broken(block: bytes, start: int, stop: int, body: int) -> Header:
    """A header with lines that are no fields; it may end sooner."""
    whole = len(block) if stop <= start + LIMIT else block.rfind(b"\n")
    if text := _TEXT.search(block, 0, whole):
        block = block[: text.start()]
        stop = body = start + text.start()
    block = _NOT_INDENTED.sub(b"\n ", block.replace(b"\r\n", b"\n"))
    return Header(_fields(block)[0], body, complete=stop <= start + LIMIT)


def _fields(block: bytes) -> tuple[Mapping[str, Sequence[bytes]], bool]:
    """And whether all lines are fields, at first sight."""
    fields: dict[str, list[bytes]] = {}
    is_plain = True
    unfolded = _FOLD.sub(b"", block.replace(b"\r\n", b"\n"))
    for line in unfolded.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon or b" " in name:
            is_plain = is_plain and not line
        if colon:
            # RFC 5322 4.5: white space before the colon is obsolete, and still the same field.
            key = name.rstrip(b" \t").lower().decode("latin-1")
            if key in fields:
                fields[key].append(value.strip())
            else:
                fields[key] = [value.strip()]
    return fields, is_plain
