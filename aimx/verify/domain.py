"""Domain names as they stand in mail, brought into the one form in which equal ones are equal."""

from __future__ import annotations

import re

from aimx.mail.remembered import remembered
from desired.names import Domain, InvalidNameError

# Wider than a host name: RFC 8553's underscores stand in names that only the DNS sees.
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")


@remembered
def canonical(text: str) -> str | None:
    """Lower case and A-labels (RFC 8616); None for what is no name of several labels."""
    lower = text.lower().removesuffix(".")
    if lower.isascii():
        return lower if _NAME.fullmatch(lower) else None
    try:
        return Domain.parse(lower).ascii
    except InvalidNameError:
        return None
