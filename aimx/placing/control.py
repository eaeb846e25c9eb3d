"""What the supervisor and the placer say to each other."""

from __future__ import annotations

from enum import StrEnum

from aimx.channel.control import Logging, Measure, Measured
from aimx.channel.messages import Vocabulary
from aimx.channel.placing import Folder
from desired.frozen import frozen


class Role(StrEnum):
    """Who places mail."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"

    @property
    def folders(self) -> frozenset[Folder]:
        """Where it may: outbound keeps sent copies, and bounces to the sender's inbox."""
        return _FOLDERS[self]

    @property
    def reopens(self) -> frozenset[Folder]:
        """Where it may open and replace what it has placed itself."""
        return frozenset({Folder.SENT}) if self is Role.OUTBOUND else frozenset()


_FOLDERS = {
    Role.INBOUND: frozenset({Folder.INBOX}),
    Role.OUTBOUND: frozenset({Folder.INBOX, Folder.SENT}),
}


@frozen
class Admit:
    """To the placer, with the placer's end of a new worker's channel."""

    worker: str  # The supervisor's name for it, repeated in `Dismissed`.
    role: Role
    uid: int  # Of its user, who must own the files that it passes.


@frozen
class Ready:
    """From the placer: what an earlier one left is settled, and workers are served."""


@frozen
class Dismissed:
    """From the placer: it closed this worker's channel, for the worker broke the rules."""

    worker: str
    reason: str


@frozen
class FiringsDue:
    """From the placer: a firing has become due."""


@frozen
class Take:
    """To the placer: what became of the firings that it handed out, and whether to hand out one.

    Answered by `Firing` or by `Idle`, after which what is finished need not be told again.
    """

    running: tuple[int, ...]  # Firings that have begun and not ended, by number.
    finished: tuple[int, ...]  # Those that are over since the last answer.
    busy: tuple[int, ...]  # Owners whose hooks have to wait, by uid.
    wanted: bool


@frozen
class Firing:
    """From the placer, with the message, opened for reading: start this, for it counts as started.

    Without a descriptor the message cannot be had, for the reason that is given.
    """

    number: int
    hook: str
    uid: int  # Whose mailbox it was placed in.
    domain: str
    folder: str
    name: str  # Of the mailbox's directory.
    stem: str
    path: str  # Of the message, below the mailbox's directory.
    facts: str  # What the hook is told of it.
    reason: str = ""


@frozen
class Idle:
    """From the placer: nothing is due that may start now."""

    recorded: bool = True  # False: not even what is finished could be written down.


PLACER = Vocabulary(
    *(Admit, Ready, Dismissed, FiringsDue, Take, Firing, Idle),
    *(Logging, Measure, Measured),
)
