"""What the DNS has to say of a domain, so that its mail arrives and is believed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Literal

from desired.desired import Algorithm, Desired
from desired.frozen import frozen
from desired.names import Domain

Purpose = Literal["MX", "SPF", "DKIM", "DMARC"]

_STRING = 255  # RFC 1035 3.3: octets of one string of a TXT record.
_RAW_ED25519 = 32  # Octets, at the end of its SubjectPublicKeyInfo.


@frozen
class DnsRecord:
    """One record to publish."""

    purpose: Purpose
    name: str  # Without the final dot.
    type: Literal["MX", "TXT"]
    value: str  # As a program would put it: of a TXT its strings joined, and no quotes.

    def line(self) -> str:
        """As it stands in a zone file."""
        if self.type == "MX":
            return f"{self.name}. MX {self.value}"
        strings = [self.value[at : at + _STRING] for at in range(0, len(self.value), _STRING)]
        quoted = " ".join(f'"{string}"' for string in strings)
        return f"{self.name}. TXT {quoted}" if len(strings) == 1 else f"{self.name}. TXT ({quoted})"

    def is_among(self, values: Iterable[str]) -> bool:
        """Whether what is published says it; of SPF and DMARC, whether somebody decided on one."""
        found = list(values)
        match self.purpose:
            case "MX":
                host = self.value.split()[1].rstrip(".")
                return any(value.split()[-1].rstrip(".").lower() == host for value in found)
            case "DKIM":
                return any(_squeezed(value) == _squeezed(self.value) for value in found)
            case "SPF":
                # RFC 7208 4.5: two are as good as none.
                policies = [value.lower() for value in found if _is_spf(value)]
                return len(policies) == 1 and not {"mx", "+mx"}.isdisjoint(policies[0].split())
            case "DMARC":
                return sum(_squeezed(value).startswith("v=DMARC1") for value in found) == 1


def _is_spf(value: str) -> bool:
    return value.lower().split(" ", 1)[0] == "v=spf1"


def _squeezed(value: str) -> str:
    """RFC 6376 3.2: white space between the tags of a list means nothing."""
    return "".join(value.split()).rstrip(";")


def of_mail(domain: Domain, desired: Desired) -> Iterator[DnsRecord]:
    """What any domain has, whichever its keys are."""
    name = domain.ascii
    yield DnsRecord("MX", name, "MX", f"10 {desired.smtp.hostname}.")
    relay = desired.outbound.relay
    # Whoever else sends for us is to be believed too.
    by_relay = f" a:{relay.endpoint.host}" if relay else ""
    yield DnsRecord("SPF", name, "TXT", f"v=spf1 mx{by_relay} -all")


def of_key(name: str, selector: str, algorithm: Algorithm, public: bytes) -> DnsRecord:
    """The record of a public key in PEM."""
    body = "".join(line for line in public.decode().splitlines() if not line.startswith("-----"))
    kind = algorithm.partition("-")[0]
    if kind == "ed25519":  # RFC 8463 4.2: the key alone, without what says of which sort it is.
        body = base64.b64encode(base64.b64decode(body)[-_RAW_ED25519:]).decode()
    return DnsRecord("DKIM", f"{selector}._domainkey.{name}", "TXT", f"v=DKIM1; k={kind}; p={body}")


def of_policy(domain: Domain, desired: Desired) -> DnsRecord:
    """What others do with mail that only says that it is of the domain."""
    postmaster, catchall = f"postmaster@{domain}", f"*@{domain}"
    told = not {postmaster, catchall}.isdisjoint(desired.mailboxes)
    reports = f"; rua=mailto:{postmaster}" if told else ""  # Nobody is to write to nobody.
    return DnsRecord("DMARC", f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=reject{reports}")
