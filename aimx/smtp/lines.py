"""Cutting command lines out of what a client sent: CRLF ends a line, and nothing else does."""

from __future__ import annotations

from enum import Enum, auto

# How many times as long a line may be with SMTPUTF8 (RFC 6531 3.4).
_UTF8 = 4


class Unusable(Enum):
    """Why bytes are no command line."""

    MALFORMED = auto()  # A bare CR, a bare LF or a NUL is in them.
    TOO_LONG = auto()  # The line ended at last, beyond every limit.


class CommandLines:
    """Takes lines from the front of a buffer; keeps no more of a line than its limit.

    `longest`: octets with the CRLF; RFC 5321 4.5.3.1.4 asks for 512 at least.
    """

    __slots__ = ("_longest", "_skipping")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._skipping = False

    def take(self, arrived: bytearray) -> bytes | Unusable | None:
        """The next line without its end; None where it has not ended yet."""
        end = arrived.find(b"\n")
        if end < 0:
            return self._unfinished(arrived)
        line = bytes(arrived[: end + 1])
        del arrived[: end + 1]
        if line.find(b"\r") != end - 1 or end == 0 or b"\0" in line:
            return Unusable.MALFORMED
        if self._skipping or len(line) > self._longest * _UTF8:
            self._skipping = False
            return Unusable.TOO_LONG
        return line[:-2]

    def _unfinished(self, arrived: bytearray) -> Unusable | None:
        # A CR that came last may yet get its LF.
        if b"\0" in arrived or arrived.find(b"\r", 0, -1) >= 0:
            return Unusable.MALFORMED
        if len(arrived) > self._longest * _UTF8:
            self._skipping = True
            del arrived[:-1]
        return None

    def fits(self, line: bytes, *, utf8: bool) -> bool:
        """Whether the line is short enough; `utf8`: the transaction is one with SMTPUTF8."""
        length = len(line) + 2
        if length <= self._longest:
            return True
        return length <= self._longest * _UTF8 and (utf8 or _asks_for_utf8(line))


def _asks_for_utf8(line: bytes) -> bool:
    verb, *words = line.upper().split(b" ")
    return verb == b"MAIL" and b"SMTPUTF8" in words
