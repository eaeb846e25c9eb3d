"""Comments in a field, which count as white space wherever they stand (RFC 5322 3.2.2)."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"\([^()]*\)")
_DEPTH = 3  # How many may stand within each other.


def without(text: str) -> str:
    """The text with a blank for each; what is nested deeper, or not closed, stays."""
    if "(" in text:
        for _ in range(_DEPTH):
            text = _COMMENT.sub(" ", text)
    return text
