"""The content of a message as it arrives: where it ends, what is kept of it, what is wrong with it.

CRLF `.` CRLF ends it and nothing else does. Fed whole, byte by byte or cut anywhere, it is the
same content.
"""

from __future__ import annotations

import io
import re

from aimx.smtp.replies import TEXT_LINE_TOO_LONG, TOO_LARGE, Reply
from desired.frozen import frozen

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
# Found in two thirds of the time that `bytes.find` takes.
_FIRST_STUFFED = re.compile(rb"\r\n\.")
# What the beginning of `_END` looks like where the rest is yet to come; the longest first.
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


@frozen
class Piece:
    """What one block was good for."""

    text: bytes  # To be kept; empty once the content is refused.
    rest: bytes | None  # What came behind the end; None while the end is not there.


@frozen
class Malformed:
    """A bare CR, a bare LF or a NUL: nobody can say where this content ends."""


MALFORMED = Malformed()


class Content:
    """Reads one content, up to `most` octets of it, in lines of up to `longest` with their CRLF.

    After the end it is not fed again.
    """

    __slots__ = ("_begun", "_held", "_line", "_longest", "_most", "_size", "refusal")

    def __init__(self, most: int, longest: int) -> None:
        self.refusal: Reply | None = None  # What is to be said at the end, unless all is well.
        self._most = most
        self._longest = longest
        self._size = 0
        self._line = 0  # Octets of the line that has not ended.
        # DATA's own CRLF, so that a first line of "." is found like any other.
        self._held = b"\r\n"
        self._begun = False

    def feed(self, block: bytes) -> Piece | Malformed:
        """Take the next bytes that arrived."""
        work = self._held + block
        stuffed = _FIRST_STUFFED.search(work)
        dot = stuffed.start() if stuffed else -1
        end = work.find(_END, dot) if stuffed else -1
        if end >= 0:
            text, rest = work[: end + 2], work[end + 5 :]
        else:
            self._held = _beginning(work)
            text, rest = work[: len(work) - len(self._held)], None
        if not _well_formed(text):
            return MALFORMED
        # RFC 5321 4.5.2. Here a CRLF and the dot behind it are never apart: `_held` begins with
        # the CRLF.
        if 0 <= dot != end:
            text = text.replace(_STUFFED, b"\r\n")
        return Piece(self._admitted(self._without_first_line_end(text)), rest)

    def _without_first_line_end(self, text: bytes) -> bytes:
        if self._begun or not text:
            return text
        self._begun = True
        return text[2:]

    def _admitted(self, text: bytes) -> bytes:
        """The text, if all that came so far is within the limits."""
        self._size += len(text)
        if self._size > self._most:
            self.refusal = TOO_LARGE
        elif self.refusal is None and self._exceeds_line(text):
            self.refusal = TEXT_LINE_TOO_LONG
        return text if self.refusal is None else b""

    def _exceeds_line(self, text: bytes) -> bool:
        start = 0
        while self._line + len(text) - start > self._longest:
            end = text.rfind(b"\n", start, start + self._longest - self._line)
            if end < 0:
                return True
            start, self._line = end + 1, 0
        last = text.rfind(b"\n", start)
        self._line = len(text) - 1 - last if last >= 0 else self._line + len(text) - start
        return False


def _beginning(work: bytes) -> bytes:
    """What may be the beginning of the end, at the end of what is there."""
    return next((beginning for beginning in _BEGINNINGS if work.endswith(beginning)), b"")


def _well_formed(text: bytes) -> bool:
    """Whether each CR and LF is part of a CRLF, and no octet is NUL (RFC 5321 2.3.8)."""
    # The decoder tells which line ends it saw, three times as fast as counting them.
    seen = io.IncrementalNewlineDecoder(None, translate=False)
    seen.decode(text.decode("latin-1"), final=True)
    return seen.newlines in (None, "\r\n") and b"\0" not in text
