"""The author of a message: the one address that its one From field names.

Mail may have several authors (RFC 5322 3.6.2), and hostile mail several From fields, of which
each program shows another. Who may set something off must be one address that all agree on.
"""

from __future__ import annotations

import re

from aimx.mail.addresses import AddressError, correspondents
from aimx.mail.header import Header
from aimx.mail.remembered import remembered
from desired.frozen import frozen

_DOMAIN = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*")


@frozen
class Author:
    address: str  # With its domain in lower case.
    domain: str


@frozen
class NoAuthor:
    """Nobody, or nobody in particular."""

    reason: str  # A sentence.


def author(fields: Header) -> Author | NoAuthor:
    if not fields.complete:
        return NoAuthor("The header is too long to tell that it has one author.")
    values = fields.values("from")
    if len(values) != 1:
        return NoAuthor(f"The header has {len(values)} From fields, not one.")
    return _named(values[0])


@remembered
def _named(value: bytes) -> Author | NoAuthor:
    try:
        found = correspondents(value)
    except AddressError as fault:
        return NoAuthor(f"The From field cannot be read: {fault}.")
    if len(found) != 1:
        return NoAuthor(f"The From field has {len(found)} addresses, not one.")
    if not _DOMAIN.fullmatch(found[0].domain):
        return NoAuthor("The From field has an address without the name of a domain.")
    return Author(found[0].address, found[0].domain)
