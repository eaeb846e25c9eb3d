"""The outbound path: who reads, who signs, who delivers, who keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import structlog

from aimx.mail.addresses import Correspondent
from aimx.outbound.compose import Composed, Submitted, compose
from aimx.outbound.delivery import Deliverer, Outgoing
from aimx.outbound.outcome import Attempt, Sent, answer
from aimx.outbound.refusal import Code, NotSent, SubmissionError
from aimx.outbound.sign import Signer
from aimx.outbound.submission import author_of
from aimx.snapshot import Snapshot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Mailed:
    """A message that was tried, for its sent copy."""

    composed: Composed
    content: bytes  # As it went out, signature and all.
    attempt: Attempt
    attempted_at: datetime


# Puts the sent copy into the author's mailbox; gives its id, or "" if it could not. Never raises.
Keep: TypeAlias = Callable[[Mailed], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Sending:
    """Everything that a message needs on its way out, under one snapshot."""

    snapshot: Snapshot
    signers: Mapping[str, Signer]  # By domain.
    deliverer: Deliverer
    keep: Keep
    clock: Callable[[], datetime]
    message_id: Callable[[str], str]  # For a domain, without brackets.
    unkept: Callable[[Mailed], None] = lambda _: None  # Told of what was tried and leaves no copy.

    def author(self, submission: bytes) -> Correspondent | NotSent:
        """Whom to authorise, before anything else is done with the submission."""
        try:
            return author_of(submission, self.snapshot.domains)
        except SubmissionError as fault:
            return fault.refusal

    async def send(self, submitted: Submitted, author: str) -> Sent | NotSent:
        """Send for the author that was authorised, and tell what became of it."""
        try:
            # Rendering a long text takes seconds, in which others want to be served.
            composed = await asyncio.to_thread(self._composed, submitted)
        except SubmissionError as fault:
            return fault.refusal
        heading = composed.heading
        if heading.author.address != author:
            # A bare local part is of the default domain, and that has changed in between.
            return NotSent(Code.TEMP, "the default domain has just changed; send it again")
        signer = self.signers.get(heading.author.domain)
        if signer is None:
            return _unsigned(heading.author.domain)
        now = self.clock()
        content = signer.sign(composed.wire, now)
        attempt = await self.deliverer.deliver(_outgoing(composed, content))
        await self._settle(Mailed(composed, content, attempt, now))
        return answer(attempt, heading.message_id)

    def _composed(self, submitted: Submitted) -> Composed:
        return compose(
            submitted,
            domains=self.snapshot.domains,
            signature_for=self._signature,
            now=self.clock(),
            message_id=self.message_id,
        )

    def _signature(self, domain: str) -> str:
        signing = self.snapshot.signing.get(domain)
        return signing.signature if signing else ""

    async def _settle(self, mailed: Mailed) -> None:
        """Keep a copy of what went out or never will. What may be sent again leaves none."""
        attempt = mailed.attempt
        kept = ""
        if attempt.may_repeat:
            self.unkept(mailed)
        else:
            kept = await self.keep(mailed)
        log.info(
            "mail sent",
            message_id=mailed.composed.heading.message_id,
            author=mailed.composed.heading.author.address,
            status=attempt.status.value,
            recipients=len(attempt.outcomes),
            id=kept,
        )


def _outgoing(composed: Composed, content: bytes) -> Outgoing:
    heading = composed.heading
    return Outgoing(
        sender=heading.author.address,
        recipients=heading.recipients,
        content=content,
        message_id=heading.message_id,
        is_international=heading.is_international,
    )


def _unsigned(domain: str) -> NotSent:
    return NotSent(
        Code.SIGN,
        f"no DKIM key loaded for domain '{domain}';"
        f" run `aimx dkim-keygen --domain {domain}` and restart aimx serve",
    )
