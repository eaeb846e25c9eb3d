"""What the supervisor and the placer say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aimx.channel.frames import Folder
from aimx.channel.messages import Vocabulary


class Role(StrEnum):
    """Who places mail."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"

    @property
    def folders(self) -> frozenset[Folder]:
        """Where it may: outbound keeps sent copies, and bounces to the sender's inbox."""
        return _FOLDERS[self]


_FOLDERS = {
    Role.INBOUND: frozenset({Folder.INBOX}),
    Role.OUTBOUND: frozenset({Folder.INBOX, Folder.SENT}),
}


@dataclass(frozen=True, slots=True)
class Admit:
    """To the placer, with the placer's end of a new worker's channel."""

    worker: str  # The supervisor's name for it, repeated in `Dismissed`.
    role: Role
    uid: int  # Of its user, who must own the files that it passes.


@dataclass(frozen=True, slots=True)
class Ready:
    """From the placer: what an earlier one left is settled, and workers are served."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """From the placer: it closed this worker's channel, for the worker broke the rules."""

    worker: str
    reason: str


PLACER = Vocabulary(Admit, Ready, Dismissed)
