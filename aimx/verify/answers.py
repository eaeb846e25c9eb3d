"""Reads a DNS message: what it says about the question that it repeats."""

from __future__ import annotations

from typing import TypeAlias

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from aimx.verify import texts
from aimx.verify.resolver import Answer, NoAnswer, NoRecord, Records, Value
from desired.frozen import frozen

LONGEST_TTL = 86400  # Seconds. RFC 2181 8 lets a cache hold less than a record offers.


@frozen
class Elsewhere:
    """A CNAME leads to this name, and the message does not say what stands there."""

    name: str


Reading: TypeAlias = Answer | Elsewhere


def read(wire: bytes) -> Reading:
    """What the message, which answers our question, says. Any failing server is a `NoAnswer`."""
    found = texts.read(wire)
    if found is not None:
        return Records(found.values, min(found.ttl, LONGEST_TTL))
    try:
        return _read(dns.message.from_wire(wire))
    except dns.exception.DNSException as trouble:
        return NoAnswer(f"the answer cannot be read: {trouble}")


def _read(message: dns.message.Message) -> Reading:
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return NoAnswer(dns.rcode.to_text(rcode))
    if not isinstance(message, dns.message.QueryMessage):
        return NoAnswer("the answer is not to a query")
    return _chain(message)


def _chain(message: dns.message.QueryMessage) -> Reading:
    chain = message.resolve_chaining()
    ttl = min(chain.minimum_ttl, LONGEST_TTL)
    if chain.answer is not None:
        return Records(tuple(map(_value, chain.answer)), ttl)
    if message.rcode() == dns.rcode.NXDOMAIN:
        return NoRecord(exists=False, ttl=ttl)
    if chain.cnames and not _is_authoritative_about_nothing(message):
        return Elsewhere(_host(chain.canonical_name))
    return NoRecord(exists=True, ttl=ttl)


def _is_authoritative_about_nothing(message: dns.message.Message) -> bool:
    """RFC 2308 2.2: an SOA beside no answer means that there is none."""
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _value(rdata: dns.rdata.Rdata) -> Value:
    match rdata:
        case TXT(strings=strings):
            return b"".join(strings)
        case MX(preference=preference, exchange=exchange):
            return preference, _host(exchange)
        case A(address=address) | AAAA(address=address):
            return str(address)
        case PTR(target=target) | CNAME(target=target):
            return _host(target)
        case _:
            return rdata.to_text()


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
