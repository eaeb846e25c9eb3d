"""The copy that a sender keeps of what was sent."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import structlog

from aimx.channel.control import Attempted
from aimx.channel.placing import FINGERPRINT_SIZE, Due
from aimx.hooks import attempted
from aimx.mail.mime import File
from aimx.mail.sent import Outgoing, finish
from aimx.outbound.directly import Mailed
from aimx.outbound.outcome import Status
from aimx.placing.client import NotPlaced, Placed, Placement, PlacingClient
from aimx.snapshot import Route, Snapshot
from desired.frozen import frozen

log = structlog.get_logger()


@frozen
class Keeping:
    """Puts sent copies into the author's mailbox, under one snapshot."""

    snapshot: Snapshot
    placements: PlacingClient
    tell: Callable[[Attempted], None]  # The supervisor, of hooks for what has no copy.

    async def keep(self, mailed: Mailed) -> str:
        """The copy's id, or "" if it could not be kept: that undoes no delivery."""
        route = self.snapshot.routes.get(mailed.composed.heading.author.address)
        if route is None or route.uid is None:
            return ""
        stored, due = finish(_outgoing(mailed)), self._due(route, mailed)
        placement = Placement(
            domain=route.domain,
            folder="sent",
            name=route.folder,
            uid=route.uid,
            base=stored.base,
            rest=stored.rest,
            attachments=stored.attachments,
            # Nothing is sent twice as one: the fingerprint is only what the firings hang on.
            fingerprint=secrets.token_bytes(FINGERPRINT_SIZE) if due else None,
            due=due,
            trace=mailed.trace,
        )
        match await self.placements.place(placement):
            case Placed(stem):
                return stem
            case NotPlaced(reason):
                log.error(
                    "sent copy not kept", trace=mailed.trace, mailbox=route.mailbox, reason=reason
                )
                self.unkept(mailed)
                return ""

    def unkept(self, mailed: Mailed) -> None:
        """Of this attempt there is no copy; its hooks fire without one."""
        route = self.snapshot.routes.get(mailed.composed.heading.author.address)
        due = self._due(route, mailed) if route is not None else None
        if route is not None and route.uid is not None and due is not None:
            facts = due.facts.decode()
            self.tell(Attempted(due.hooks, route.uid, route.domain, route.folder, facts))

    def _due(self, route: Route, mailed: Mailed) -> Due | None:
        hooks = self.snapshot.hooks_on("after_send", route.mailbox)
        status, trace = mailed.attempt.status.value, mailed.trace
        return attempted.due(hooks, mailed.content, mailed.attempted_at, status, trace)


def _outgoing(mailed: Mailed) -> Outgoing:
    composed, heading = mailed.composed, mailed.composed.heading
    delivered = mailed.attempt.status is Status.DELIVERED
    return Outgoing(
        mailbox=heading.author.address,
        content=mailed.content,
        source=composed.source,
        format=composed.format.value,
        recipients=tuple(box.address for box in (*heading.to, *heading.cc)),
        sent_at=mailed.attempted_at,
        status=mailed.attempt.status.value,
        bcc=tuple(box.address for box in heading.bcc),
        delivered_at=mailed.attempted_at if delivered else None,
        details=mailed.attempt.details,
        files=tuple(
            File(attachment.name, attachment.content_type, attachment.content)
            for attachment in composed.attachments
        ),
    )
