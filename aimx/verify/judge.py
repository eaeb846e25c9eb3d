"""The judge: every check of a message, once, whoever it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from aimx.mail.author import Author, NoAuthor, author
from aimx.mail.envelope import Envelope, Incoming
from aimx.verify import dkim, dmarc
from aimx.verify.domain import canonical
from aimx.verify.organization import Walks
from aimx.verify.resolver import Resolver
from aimx.verify.spf import Check, SenderPolicy
from aimx.verify.verdict import Dmarc, Signature, Spf, Verdicts

log = structlog.get_logger()

FAULT = "the check broke off; the log says why"


class Judge:
    """Never raises: a fault of ours is a `temperror`, and the message is judged by the rest."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._sender_policy = SenderPolicy(resolver)
        self._walks = Walks(resolver)

    async def verdicts(self, incoming: Incoming) -> Verdicts:
        """All questions that can be known by then are asked before the first answer is waited for.

        So the checks come one after the other, and take no longer than side by side.
        """
        found = author(incoming.header)
        home = (canonical(found.domain) or found.domain) if isinstance(found, Author) else ""
        begun = self._begun(incoming.envelope, home)
        signatures = await self._dkim(incoming)
        spf = begun if isinstance(begun, Spf) else await self._spf(begun)
        if isinstance(found, NoAuthor):
            return Verdicts(spf, signatures, Dmarc("permerror", "", found.reason), {}, found)
        verdict, organizations = await self._dmarc(home, spf, signatures)
        return Verdicts(spf, signatures, verdict, organizations, found)

    def _begun(self, envelope: Envelope, home: str) -> Spf | Check:
        """SPF's verdict, or what it has asked for; `home` is the author's domain, if there is one.

        Both ask for DNS records that the message itself does not name.
        """
        try:
            if home:
                self._walks.foresee(home)
            return self._sender_policy.begin(envelope)
        except Exception:
            log.exception("spf not checked")
            return Spf("temperror", FAULT, "")

    async def _spf(self, check: Check) -> Spf:
        try:
            return await self._sender_policy.find(check)
        except Exception:
            log.exception("spf not checked")
            return Spf("temperror", FAULT, "")

    async def _dkim(self, incoming: Incoming) -> tuple[Signature, ...]:
        try:
            return await dkim.signatures(incoming.content, incoming.received_at, self._resolver)
        except Exception:
            log.exception("dkim not checked")
            return (Signature("", "", "temperror", FAULT),)

    async def _dmarc(
        self, home: str, spf: Spf, signatures: Sequence[Signature]
    ) -> tuple[Dmarc, Mapping[str, str]]:
        """With the organizations of those who signed: the author's domain has its own."""
        signers = {signature.domain for signature in signatures if signature.verdict == "pass"}
        others = sorted(signers - {home})
        try:
            for domain in others:
                self._walks.foresee(domain)
            verdict = await dmarc.judge(home, spf, signatures, self._walks)
            walks = [await self._walks.of(domain) for domain in others]
        except Exception:
            log.exception("dmarc not checked")
            return Dmarc("temperror", "", FAULT), {}
        organizations = {found.domain: found.organization or "" for found in walks}
        if home in signers:
            organizations[home] = verdict.organizational_domain
        return verdict, {name: found for name, found in organizations.items() if found}
