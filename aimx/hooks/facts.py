"""What a hook is told of a message, on its way from who read the message to who starts the hook.

Strangers wrote it. It travels as text between NULs, so that root need parse nothing to pass it on.
"""

from __future__ import annotations

import re
from dataclasses import astuple, fields

from desired.frozen import frozen

MOST = 4000  # Octets of one fact; what is more is cut off.

# Line ends of every sort, and what can be in no variable, or moves a cursor where it is shown.
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]+")


class FactsError(ValueError):
    """Not what `pack` makes."""


@frozen
class Facts:
    """Empty text: the message does not say, or the event knows no such thing."""

    author: str  # The From field.
    to: str
    subject: str
    message_id: str
    date: str  # RFC 3339.
    thread: str
    peer: str  # The address that the loop breaker counts.
    trusted: str = ""  # Of a message that came in: `true`, `false` or `none`.
    send_status: str = ""  # Of one that was sent.
    trace: str = ""  # For the log, not for the hook.

    def pack(self) -> bytes:
        """Without what could do harm, each bounded."""
        return b"\0".join(_bounded(_UNSAFE.sub(" ", text).strip()) for text in astuple(self))

    @classmethod
    def unpack(cls, text: str) -> Facts:
        """The inverse of `pack`; a `FactsError` for anything else, since a worker made it."""
        parts = text.split("\0")
        if len(parts) != len(fields(cls)):
            raise FactsError("what a hook is told has not exactly its parts")
        for part in parts:
            if _UNSAFE.search(part) or len(part) > MOST:
                raise FactsError("what a hook is told holds a control character, or is too long")
        return cls(*parts)


def _bounded(text: str) -> bytes:
    return text.encode()[:MOST].decode(errors="ignore").encode()
