"""What a DNS look-up can end in, and the interface of whatever does it.

Not there is not the same as could not look: `NoRecord` is the DNS's word that there is nothing,
`NoAnswer` is the lack of any word, and no caller may take one for the other.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol, TypeAlias

from desired.frozen import frozen

# TXT: its strings joined. MX: preference and host. A, AAAA, PTR, CNAME: text.
Value: TypeAlias = bytes | str | tuple[int, str]


@frozen
class Records:
    """What the DNS holds, in no particular order. Hosts have no final dot; "." is the root."""

    values: tuple[Value, ...]
    ttl: int  # Seconds that this may still be believed.

    @property
    def texts(self) -> tuple[bytes, ...]:
        return tuple([value for value in self.values if isinstance(value, bytes)])

    @property
    def names(self) -> tuple[str, ...]:
        """Addresses of A and AAAA, hosts of PTR and CNAME."""
        return tuple([value for value in self.values if isinstance(value, str)])

    @property
    def exchanges(self) -> tuple[tuple[int, str], ...]:
        return tuple([value for value in self.values if isinstance(value, tuple)])


@frozen
class NoRecord:
    """There is nothing of the kind that was asked for."""

    exists: bool  # False: the name itself is not there (NXDOMAIN, RFC 8020).
    ttl: int = 0


@frozen
class NoAnswer:
    """Could not look: nobody answered, or nobody could say.

    `reason` has what was asked, as in `MX of example.com: SERVFAIL`, so that nobody adds it.
    """

    reason: str


Answer: TypeAlias = Records | NoRecord | NoAnswer


class Resolver(Protocol):
    """Whoever looks things up. Never raises for what a name or a server does."""

    def foresee(self, name: str, record: str) -> None:
        """Begin to look up what `lookup` will be asked for soon, so that it waits for less.

        Whoever needs several answers foresees them all, and then looks up one after the other.
        """

    async def lookup(self, name: str, record: str) -> Answer:
        """Follow CNAMEs and return what stands at their end. `record` is "TXT", "MX", ...

        It comes to an end, whatever strangers do, within a small multiple of `[dns] timeout`.
        """


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name that is to be looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
