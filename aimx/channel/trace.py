"""The id of one message's way through all processes: in each line about it, and in our reply."""

from __future__ import annotations

import re
import secrets

OCTETS = 8

_TRACE = re.compile(rf"[0-9a-f]{{{2 * OCTETS}}}")


def fresh() -> str:
    """One that no other message has. It tells nothing, neither a time nor a number."""
    return secrets.token_hex(OCTETS)


def is_trace(text: str) -> bool:
    return _TRACE.fullmatch(text) is not None
