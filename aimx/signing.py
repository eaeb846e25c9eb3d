"""How mail of a domain is signed, the keys apart."""

from __future__ import annotations

from collections.abc import Mapping

from desired.frozen import frozen


@frozen
class Signing:
    """What outbound needs to sign for a domain, its keys apart."""

    selectors: Mapping[str, str]  # By algorithm; the first one's signature stands on top.
    signature: str = ""  # The text put below each message; empty for none.
