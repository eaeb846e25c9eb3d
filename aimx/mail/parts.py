"""A message's MIME parts (RFC 2045, RFC 2046), found within bounds.

The work is bounded by counts: how deep, how many parts, how many lines that look like a
boundary. Messages inside messages are left closed, as one part each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from aimx.mail import header, parameters, transfer
from aimx.mail.error import MailError
from aimx.mail.header import Header

DEPTH = 10
PARTS = 1_000
CANDIDATES = 10_000  # Places where a boundary's text stands, be they boundaries or not.

# What may stand on a boundary's line after it (RFC 2046 5.1.1).
_REST_OF_LINE = re.compile(rb"(--)?[ \t]{0,100}(?:\r?\n|\Z)")
_TYPE = re.compile(r"[!#-'*+.0-9^_`a-z{|}~-]+/[!#-'*+.0-9^_`a-z{|}~-]+")


class TooComplexError(MailError):
    """More structure than a message has that people wrote."""


class Part(NamedTuple):
    """A leaf has octets, a multipart has children."""

    content_type: str  # Type and subtype, lower case.
    parameters: Mapping[str, str]
    disposition: str  # Lower case; empty if the part does not say.
    name: str  # The file name that the sender gave it; empty if none.
    content_id: str  # RFC 2045 7, without brackets; empty for none.
    encoding: str  # RFC 2045 6: lower case; empty for none.
    raw: bytes  # A leaf's octets, as they are in the message.
    children: tuple[Part, ...] = ()

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    def decoded(self) -> transfer.Decoded:
        return transfer.decode(self.raw, self.encoding)


@dataclass(slots=True)
class _Budget:
    """What is left of the bounds while one message is read."""

    parts: int = PARTS
    candidates: int = CANDIDATES

    def part(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise TooComplexError(f"the message has more than {PARTS} parts")

    def candidate(self) -> None:
        self.candidates -= 1
        if self.candidates < 0:
            raise TooComplexError("the message has too many lines that look like a boundary")


def read(content: bytes, fields: Header) -> Part:
    """The part that the whole message is; `fields` is its header."""
    return _part(content, fields, len(content), "text/plain", DEPTH, _Budget())


def _part(
    content: bytes, fields: Header, end: int, default: str, depth: int, budget: _Budget
) -> Part:
    budget.part()
    declared = parameters.read(fields.value("content-type"))
    # RFC 2045 5.2: a type that cannot be read counts as none.
    kind = declared.value if _TYPE.fullmatch(declared.value) else default
    disposition = parameters.read(fields.value("content-disposition"))
    children: tuple[Part, ...] = ()
    if kind.startswith("multipart/") and (boundary := declared.parameters.get("boundary")):
        if not depth:
            raise TooComplexError(f"the message has parts nested more than {DEPTH} deep")
        inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        delimiter = b"--" + boundary.encode()
        children = tuple(
            _part(content, header.read(content, start, stop), stop, inner, depth - 1, budget)
            for start, stop in _ranges(content, delimiter, fields.body, end, budget)
        )
    return Part(
        # Without its parts a multipart is text that people can at least look at.
        content_type=kind if children or not kind.startswith("multipart/") else "text/plain",
        parameters=declared.parameters,
        disposition=disposition.value,
        name=disposition.parameters.get("filename") or declared.parameters.get("name", ""),
        content_id=fields.text("content-id").strip("<>") if "content-id" in fields.fields else "",
        encoding=parameters.read(fields.value("content-transfer-encoding")).value,
        raw=b"" if children else content[fields.body : end],
        children=children,
    )


def _ranges(
    content: bytes, delimiter: bytes, start: int, end: int, budget: _Budget
) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends; the text before the first and after the last is nobody's.

    RFC 2046 5.1.1: the line end before a boundary belongs to the boundary. A last part whose
    boundary is missing goes to the end.
    """
    opened: int | None = None
    for before, after, closes in _delimiters(content, delimiter, start, end, budget):
        if opened is not None:
            yield opened, max(opened, before)
        if closes:
            return
        opened = after
    if opened is not None:
        yield opened, end


def _delimiters(
    content: bytes, delimiter: bytes, start: int, end: int, budget: _Budget
) -> Iterator[tuple[int, int, bool]]:
    place = content.find(delimiter, start, end)
    while place >= 0:
        budget.candidate()
        rest = _REST_OF_LINE.match(content, place + len(delimiter), end)
        if rest and (place == start or content[place - 1] == ord("\n")):
            yield place - _line_end(content, place, start), rest.end(), bool(rest[1])
        place = content.find(delimiter, place + len(delimiter), end)


def _line_end(content: bytes, place: int, start: int) -> int:
    if content.endswith(b"\r\n", start, place):
        return 2
    return 1 if content.endswith(b"\n", start, place) else 0
