"""Trust: whether a message may set something off, since its author is who it says, and welcome."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from aimx.mail.author import Author, NoAuthor
from aimx.snapshot import Trust
from aimx.verify.domain import canonical
from aimx.verify.signature import CLOCKS_DIFFER
from aimx.verify.verdict import Signature, Verdicts
from desired.frozen import frozen
from desired.names import Glob


@frozen
class Trusted:
    """The decision; a reason only for "false"."""

    value: Literal["none", "true", "false"]
    reason: str = ""


def decide(
    policy: Trust,
    trusted_senders: Iterable[str],
    author: Author | NoAuthor,
    verdicts: Verdicts,
    now: datetime,
    max_age: timedelta,
) -> Trusted:
    """Trusted is a listed author whose own organization has signed the whole message lately."""
    if policy == "none":
        return Trusted("none")
    if isinstance(author, NoAuthor):
        return Trusted("false", author.reason)
    address = _as_listed(author)
    if not any(Glob.parse(pattern).matches(address) for pattern in trusted_senders):
        return Trusted("false", f"{author.address} is not among the trusted senders.")
    reason = _distrust(author, verdicts, now, max_age)
    return Trusted("false", reason) if reason else Trusted("true")


def _as_listed(author: Author) -> str:
    """The address with A-labels, which is how a pattern is kept."""
    if author.domain.isascii():
        return author.address
    local, _, domain = author.address.rpartition("@")
    return f"{local}@{canonical(domain) or domain}"


def _distrust(author: Author, verdicts: Verdicts, now: datetime, max_age: timedelta) -> str:
    """Why no signature is good enough; empty if one is, which is then the shortest reason."""
    passing = [signature for signature in verdicts.dkim if signature.verdict == "pass"]
    if not passing:
        return _unsigned(verdicts.dkim)
    aligned = [signature for signature in passing if _is_aligned(signature, author, verdicts)]
    if not aligned:
        signers = ", ".join(sorted({signature.domain for signature in passing}))
        return f"It is signed by {signers}, which is not the organization of {author.domain}."
    whole = [signature for signature in aligned if signature.covers_body]
    if not whole:
        return "The signature leaves the end of the body open (l=)."
    return min((_staleness(signature, now, max_age) for signature in whole), key=len)


def _unsigned(signatures: Iterable[Signature]) -> str:
    for signature in signatures:
        return f"No DKIM signature passes: {signature.reason}."
    return "It has no DKIM signature."


def _is_aligned(signature: Signature, author: Author, verdicts: Verdicts) -> bool:
    """Relaxed alignment (RFC 9989 4.4), whatever the domain's own DMARC record asks for."""
    if signature.domain == canonical(author.domain):
        return True
    organization = verdicts.dmarc.organizational_domain
    return bool(organization) and verdicts.organizations.get(signature.domain) == organization


def _staleness(signature: Signature, now: datetime, max_age: timedelta) -> str:
    """What is wrong with its time; empty for a signature that was made lately."""
    if signature.signed_at is None:
        return "The signature does not say when it was made."
    age = now - signature.signed_at
    if age > max_age:
        return f"The signature is {age.days} days old, and may be a replay."
    return "" if age >= -CLOCKS_DIFFER else "The signature is of the future."
