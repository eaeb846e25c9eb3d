"""The id of one message's way through all processes: in each line about it, and in our reply."""

from __future__ import annotations

import os

OCTETS = 8


def fresh() -> str:
    """One that no other message has. It tells nothing, neither a time nor a number."""
    return os.urandom(OCTETS).hex()
