"""DMARC: whether the domain of the author stands behind a message (RFC 9989)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aimx.verify.domain import canonical
from aimx.verify.organization import Walk, Walks
from aimx.verify.policy import PolicyRecord
from aimx.verify.resolver import NoAnswer, NoRecord, Resolver
from aimx.verify.verdict import Dmarc, DmarcVerdict, Policy, Signature, Spf
from desired.frozen import frozen


@frozen
class Identifier:
    """A domain that SPF or DKIM has something to say about."""

    domain: str
    is_strict: bool  # It must be the author's domain, and not only of the same organization.
    passes: bool  # False: it could not be found out.
    check: str


async def judge(domain: str, spf: Spf, dkim: Sequence[Signature], walks: Walks) -> Dmarc:
    """The verdict for a message whose author is in `domain`."""
    home = await walks.of(canonical(domain) or domain)
    organization = home.organization or ""
    if home.own is None and home.trouble:
        reason = f"the DMARC record could not be looked up: {home.trouble}"
        return Dmarc("temperror", "", reason)
    if home.applied is None:
        return Dmarc("none", "", f"{home.domain} has no DMARC record", organization)
    name, record = home.applied
    is_its_own = name == home.domain
    policy = record.domain if is_its_own else await _below(home, record, walks.resolver)
    if policy == "":
        return Dmarc("none", "", f"the DMARC record of {name} asks for nothing", organization)
    verdict, reason = await _verdict(home, list(_identifiers(record, spf, dkim)), walks)
    if policy is None and verdict == "fail":
        verdict, reason = "temperror", f"whether {home.domain} exists could not be looked up"
    return Dmarc(verdict, policy or "", reason, organization)


async def _below(home: Walk, record: PolicyRecord, resolver: Resolver) -> Policy | None:
    """RFC 9989 4.7: `sp` and `np` for what is below the domain of the record.

    None: which of these two could not be found out.
    """
    if record.nonexistent == record.subdomains:
        return record.subdomains
    # RFC 9989 3.2.13: what exists is RFC 8020's question, so any record type would do.
    match await resolver.lookup(home.domain, "A"):
        case NoAnswer():
            return None
        case NoRecord(exists=False):
            return record.nonexistent
        case _:
            return record.subdomains


def _identifiers(record: PolicyRecord, spf: Spf, dkim: Iterable[Signature]) -> Iterator[Identifier]:
    if spf.verdict in ("pass", "temperror"):
        yield Identifier(spf.domain, record.strict_spf, spf.verdict == "pass", "SPF")
    for signature in dkim:
        if signature.verdict in ("pass", "temperror"):
            passes = signature.verdict == "pass"
            yield Identifier(signature.domain, record.strict_dkim, passes, "DKIM")


async def _verdict(
    home: Walk, identifiers: Iterable[Identifier], walks: Walks
) -> tuple[DmarcVerdict, str]:
    """One that passes and is aligned is enough; one that might have been leaves it open."""
    open_question = ""
    for identifier in identifiers:
        aligned = await _is_aligned(home, identifier, walks)
        if aligned and identifier.passes:
            return "pass", f"{identifier.check} passes for {identifier.domain}"
        if aligned is not False:
            open_question = f"{identifier.check} for {identifier.domain} could not be looked up"
    if open_question:
        return "temperror", open_question
    return "fail", f"neither SPF nor DKIM passes for {home.domain}"


async def _is_aligned(home: Walk, identifier: Identifier, walks: Walks) -> bool | None:
    """RFC 9989 4.4. None: could not be found out."""
    if identifier.domain == home.domain:
        return True
    # Without a common end there is no common organization, and nothing to look up.
    is_far = identifier.domain.rpartition(".")[2] != home.domain.rpartition(".")[2]
    if identifier.is_strict or is_far:
        return False
    other = await walks.of(identifier.domain)
    if home.organization is None or other.organization is None:
        return None
    return home.organization == other.organization
