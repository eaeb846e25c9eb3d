"""The judge: every check of a message, once, whoever it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from aimx.mail.author import Author, NoAuthor, author
from aimx.mail.envelope import Envelope, Incoming
from aimx.verify import dkim, dmarc
from aimx.verify.domain import canonical
from aimx.verify.organization import walk
from aimx.verify.resolver import Resolver
from aimx.verify.spf import SenderPolicy
from aimx.verify.verdict import Dmarc, Signature, Spf, Verdicts

log = structlog.get_logger()

# Seconds for a tree walk: eight names, each of them a stranger's, each as slow as we allow.
LONGEST = 30.0
FAULT = "the check broke off; the log says why"


class Judge:
    """Never raises: a fault of ours is a `temperror`, and the message is judged by the rest."""

    def __init__(self, resolver: Resolver, longest: float = LONGEST) -> None:
        self._resolver = resolver
        self._longest = longest
        self._sender_policy = SenderPolicy(resolver)

    async def verdicts(self, incoming: Incoming) -> Verdicts:
        found = author(incoming.header)
        spf, signatures = await self._checks(incoming)
        verdict, organizations = await self._walks(found, spf, signatures)
        return Verdicts(spf, signatures, verdict, organizations, found)

    async def _checks(self, incoming: Incoming) -> tuple[Spf, tuple[Signature, ...]]:
        """Side by side, where both have to wait for the DNS."""
        spf = self._known_spf(incoming.envelope)
        if spf is not None:
            return spf, await self._dkim(incoming)
        return await asyncio.gather(self._spf(incoming.envelope), self._dkim(incoming))

    async def _walks(
        self, found: Author | NoAuthor, spf: Spf, signatures: tuple[Signature, ...]
    ) -> tuple[Dmarc, dict[str, str]]:
        """DMARC, and the organizations of those who signed: for the author's domain it is one."""
        home = canonical(found.domain) if isinstance(found, Author) else None
        signers = {s.domain for s in signatures if s.verdict == "pass"}
        if others := signers - {home}:
            verdict, organizations = await asyncio.gather(
                self._dmarc(found, spf, signatures), self._organizations(others)
            )
        else:
            verdict, organizations = await self._dmarc(found, spf, signatures), {}
        if home in signers and verdict.organizational_domain:
            organizations[home] = verdict.organizational_domain
        return verdict, organizations

    def _known_spf(self, envelope: Envelope) -> Spf | None:
        try:
            known = self._sender_policy.known(envelope)
        except Exception:
            log.exception("spf not checked")
            return Spf("temperror", FAULT, "")
        return known if isinstance(known, Spf) else None

    async def _spf(self, envelope: Envelope) -> Spf:
        try:
            return await self._sender_policy.check(envelope)
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
        self, found: Author | NoAuthor, spf: Spf, signatures: tuple[Signature, ...]
    ) -> Dmarc:
        if isinstance(found, NoAuthor):
            return Dmarc("permerror", "", found.reason)
        try:
            async with asyncio.timeout(self._longest):
                return await dmarc.judge(found.domain, spf, signatures, self._resolver)
        except TimeoutError:
            return Dmarc("temperror", "", f"the look-ups took more than {self._longest:g} s")
        except Exception:
            log.exception("dmarc not checked")
            return Dmarc("temperror", "", FAULT)

    async def _organizations(self, domains: Iterable[str]) -> dict[str, str]:
        try:
            async with asyncio.timeout(self._longest):
                walks = await asyncio.gather(*(walk(d, self._resolver) for d in sorted(domains)))
        except TimeoutError:
            return {}  # As where a walk finds no end.
        except Exception:
            log.exception("organizations not found out")
            return {}
        return {found.domain: found.organization for found in walks if found.organization}
