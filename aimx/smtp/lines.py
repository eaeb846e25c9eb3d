"""Cutting command lines out of what a client sent: CRLF ends a line, and nothing else does."""

from __future__ import annotations

from enum import Enum, auto

# Octets of a command line with its CRLF, as the product promises them; RFC 5321 4.5.3.1.4 asks
# for 512 at least, RFC 6531 3.4 for more where addresses are UTF-8.
LONGEST = 1024
LONGEST_UTF8 = 4096


class Unusable(Enum):
    """Why bytes are no command line."""

    MALFORMED = auto()  # A bare CR, a bare LF or a NUL is in them.
    TOO_LONG = auto()  # The line ended at last, beyond every limit.


class CommandLines:
    """Takes lines from the front of a buffer; keeps no more of a line than its limit."""

    __slots__ = ("_skipping",)

    def __init__(self) -> None:
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
        if self._skipping or len(line) > LONGEST_UTF8:
            self._skipping = False
            return Unusable.TOO_LONG
        return line[:-2]

    def _unfinished(self, arrived: bytearray) -> Unusable | None:
        # A CR that came last may yet get its LF.
        if b"\0" in arrived or arrived.find(b"\r", 0, -1) >= 0:
            return Unusable.MALFORMED
        if len(arrived) > LONGEST_UTF8:
            self._skipping = True
            del arrived[:-1]
        return None


def fits(line: bytes, *, utf8: bool) -> bool:
    """Whether the line is short enough; `utf8`: the transaction is one with SMTPUTF8."""
    length = len(line) + 2
    return length <= LONGEST or (length <= LONGEST_UTF8 and (utf8 or _asks_for_utf8(line)))


def _asks_for_utf8(line: bytes) -> bool:
    verb, *words = line.upper().split(b" ")
    return verb == b"MAIL" and b"SMTPUTF8" in words
