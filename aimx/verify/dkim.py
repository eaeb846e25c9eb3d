"""DKIM: each signature of a message gets its verdict (RFC 6376, RFC 8301, RFC 8463)."""

from __future__ import annotations

import asyncio
from datetime import datetime

from aimx.verify import key, signature, signed
from aimx.verify.resolver import NoAnswer, Records, Resolver
from aimx.verify.signature import Claim, SignatureError
from aimx.verify.signed import Field, Signed
from aimx.verify.verdict import Signature

MOST_SIGNATURES = 5  # Each costs a look-up and a verification: a stranger's choice.
LARGE = 256 * 1024  # Octets of a body whose digest takes so long that others would notice.
MOST_KEYS = 3  # RFC 6376 6.1.2 lets us choose among several records of one name.


async def signatures(content: bytes, now: datetime, resolver: Resolver) -> tuple[Signature, ...]:
    """The topmost signatures, in order; empty for a message that has none."""
    try:
        message = signed.read(content)
    except SignatureError as trouble:
        return (Signature("", "", trouble.verdict, trouble.reason),)
    if message is None:
        return ()
    fields = message.signatures()[:MOST_SIGNATURES]
    claims = [_claim(field, now) for field in fields]
    for claim in claims:
        if isinstance(claim, Claim):
            resolver.foresee(claim.key_name, "TXT")
    found = []
    for field, claim in zip(fields, claims, strict=True):
        found.append(await _signature(message, field, claim, resolver))
    return tuple(found)


def _claim(field: Field, now: datetime) -> Claim | Signature:
    """What the field claims, or the verdict on one that can claim nothing."""
    domain = selector = ""
    try:
        tags = signature.tags_of(field[1])
        domain, selector = signature.signer(tags)
        return signature.read(tags, domain, selector, now)
    except SignatureError as trouble:
        return Signature(domain, selector, trouble.verdict, trouble.reason)


async def _signature(
    message: Signed, field: Field, claim: Claim | Signature, resolver: Resolver
) -> Signature:
    if isinstance(claim, Signature):
        return claim
    try:
        await _verify(message, field, claim, resolver)
    except SignatureError as trouble:
        return Signature(claim.domain, claim.selector, trouble.verdict, trouble.reason)
    return Signature(
        claim.domain,
        claim.selector,
        "pass",
        "",
        signed_at=claim.signed_at or message.date(claim),
        covers_body=claim.length is None,
    )


async def _verify(message: Signed, field: Field, claim: Claim, resolver: Resolver) -> None:
    """Raises SignatureError unless one of the key records verifies the signature."""
    failure = SignatureError("permerror", f"there is no key at {claim.key_name}")
    records = await _records(claim.key_name, resolver)
    if records and len(message.body) > LARGE:
        # It is remembered for when it is compared.
        await asyncio.to_thread(message.body_digest, claim)
    for record in records:
        try:
            return _verify_with(key.read(record), message, field, claim)
        except SignatureError as trouble:
            failure = trouble
    raise failure


async def _records(name: str, resolver: Resolver) -> tuple[bytes, ...]:
    match await resolver.lookup(name, "TXT"):
        case Records() as found:
            # Other texts may stand at the name as well, by a wildcard.
            texts = found.texts
            if len(texts) > 1:
                texts = tuple(sorted(texts, key=lambda text: (b"p=" not in text, text)))
            return texts[:MOST_KEYS]
        case NoAnswer(reason):
            raise SignatureError("temperror", f"the key could not be looked up: {reason}")
        case _:
            return ()


def _verify_with(found: key.Key, message: Signed, field: Field, claim: Claim) -> None:
    found.check_use(claim)
    try:
        _check_digests(found, message, field, claim)
    except SignatureError as failure:
        if not found.is_test:
            raise
        reason = f"{failure.reason}, and the domain is testing (t=y)"
        raise SignatureError("neutral", reason) from failure


def _check_digests(found: key.Key, message: Signed, field: Field, claim: Claim) -> None:
    if message.body_digest(claim) != claim.body_hash:
        raise SignatureError("fail", "the body is not what was signed")
    found.check_signature(claim.signature, message.header(claim, field))
