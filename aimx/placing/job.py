"""One request on its way through the placer, and what its worker may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from aimx.channel.placing import Folder, Outcome, Reply, Request
from aimx.placing.descriptors import Rule
from aimx.placing.failure import PlacingError
from aimx.placing.mailboxes import Place
from desired.frozen import frozen

_LONGEST_REASON = 200

log = structlog.get_logger()


@frozen
class Rights:
    """What a worker may ask, fixed when its channel is made."""

    folders: frozenset[Folder]
    rule: Rule  # For the descriptors that it passes.
    reopens: frozenset[Folder] = frozenset()  # Where it may open and replace what it placed.


@dataclass(slots=True, eq=False)
class Job:
    """One request. It has a reply as soon as that is certain, and then so has who follows it."""

    request: Request
    descriptors: Sequence[int]  # Stay whose they are.
    rights: Rights
    reply: Reply | None = None
    followers: list[Job] = field(default_factory=list)  # Equal messages of the same batch.
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place = Place(self.request.domain, self.request.folder, self.request.name)

    def answer(self, outcome: Outcome, text: str) -> None:
        self.reply = Reply(self.request.number, outcome, text)
        # An equal message is not kept again.
        following = Outcome.DUPLICATE if outcome is Outcome.PLACED else outcome
        for each in self.followers:
            each.answer(following, text)

    def fail(self, failure: PlacingError) -> None:
        # Bounded, so that the replies of a whole batch fit into a packet.
        reason = str(failure)[:_LONGEST_REASON]
        self.answer(failure.outcome, reason)
        log.warning(
            "mail not placed",
            trace=self.request.trace,
            mailbox=self.place.path,
            reason=str(failure),
        )
