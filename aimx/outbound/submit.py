"""The outbound path: who reads, who composes, who signs, who takes it further."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import TypeAlias

from aimx.mail.addresses import Correspondent
from aimx.metrics.table import SIGNING
from aimx.outbound.compose import Composed, HandedIn, compose
from aimx.outbound.delivery import Outgoing
from aimx.outbound.keys import CallersKey
from aimx.outbound.limits import UNLIMITED, Limits, Share
from aimx.outbound.outcome import Sent
from aimx.outbound.refusal import Code, NotSent, SubmissionError
from aimx.outbound.sign import Signer, sign
from aimx.outbound.submission import author_of
from aimx.snapshot import Snapshot
from desired.frozen import frozen


@frozen
class Signed:
    """A message as it will go out, and what is known about it."""

    composed: Composed
    content: bytes  # Signature and all.
    signed_at: datetime
    trace: str = ""  # What the log calls it, in every process.
    share: Share = UNLIMITED

    @property
    def outgoing(self) -> Outgoing:
        heading = self.composed.heading
        return Outgoing(
            sender=heading.author.address,
            recipients=heading.recipients,
            content=self.content,
            message_id=heading.message_id,
            is_international=heading.is_international,
        )


# Takes it further, under its key if it has one: at once, or by and by.
Dispatch: TypeAlias = Callable[[Signed, CallersKey | None], Awaitable[Sent | NotSent]]


@frozen
class Sending:
    """Everything that a message needs on its way out, under one snapshot."""

    snapshot: Snapshot
    signers: Mapping[str, Sequence[Signer]]  # By domain; only of those that can send.
    dispatch: Dispatch
    clock: Callable[[], datetime]
    message_id: Callable[[str], str]  # For a domain, without brackets.
    limits: Limits | None = None

    def author(self, submission: bytes) -> Correspondent | NotSent:
        """Whom to authorise, before anything else is done with the submission."""
        try:
            return author_of(submission, self.snapshot.domains)
        except SubmissionError as fault:
            return fault.refusal

    async def send(
        self, handed_in: HandedIn, author: str, key: CallersKey | None = None
    ) -> Sent | NotSent:
        """Send for the author that was authorised, and tell what became of it."""
        try:
            # Rendering a long text takes seconds, in which others want to be served.
            composed = await asyncio.to_thread(self._composed, handed_in)
        except SubmissionError as fault:
            return fault.refusal
        heading = composed.heading
        if heading.author.address != author:
            # A bare local part is of the default domain, and that has changed in between.
            return NotSent(Code.TEMP, "the default domain has just changed; send it again")
        signers = self.signers.get(heading.author.domain)
        if not signers:
            return _unsigned(heading.author.domain)
        now, begun = self.clock(), perf_counter()
        content = sign(composed.wire, signers, now)
        SIGNING.observe(perf_counter() - begun)
        share = self._share(composed, now)
        return await self.dispatch(Signed(composed, content, now, handed_in.trace, share), key)

    def _share(self, composed: Composed, now: datetime) -> Share:
        heading = composed.heading
        if self.limits is None:
            return UNLIMITED
        return self.limits.share(heading.author.address, heading.recipients, now)

    def _composed(self, handed_in: HandedIn) -> Composed:
        return compose(
            handed_in,
            domains=self.snapshot.domains,
            signature_for=self._signature,
            now=self.clock(),
            message_id=self.message_id,
        )

    def _signature(self, domain: str) -> str:
        signing = self.snapshot.signing.get(domain)
        return signing.signature if signing else ""


def _unsigned(domain: str) -> NotSent:
    return NotSent(
        Code.SIGN,
        f"no DKIM key loaded for domain '{domain}';"
        f" run `aimx dkim-keygen --domain {domain}` and restart aimx serve",
    )
