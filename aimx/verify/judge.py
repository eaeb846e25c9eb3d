"""The judge: every check of a message, once, whoever it is for."""

from __future__ import annotations

import asyncio

import structlog

from aimx.mail.author import Author, NoAuthor, author
from aimx.mail.envelope import Envelope, Incoming
from aimx.verify import dkim, dmarc
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
        found = author(incoming.content)
        spf, signatures = await asyncio.gather(self._spf(incoming.envelope), self._dkim(incoming))
        verdict, organizations = await asyncio.gather(
            self._dmarc(found, spf, signatures), self._organizations(signatures)
        )
        return Verdicts(spf, signatures, verdict, organizations, found)

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

    async def _organizations(self, signatures: tuple[Signature, ...]) -> dict[str, str]:
        domains = sorted({s.domain for s in signatures if s.verdict == "pass"})
        try:
            async with asyncio.timeout(self._longest):
                walks = await asyncio.gather(*(walk(d, self._resolver) for d in domains))
        except TimeoutError:
            return {}  # As where a walk finds no end.
        except Exception:
            log.exception("organizations not found out")
            return {}
        return {found.domain: found.organization for found in walks if found.organization}
