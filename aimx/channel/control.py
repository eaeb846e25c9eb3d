"""What the supervisor and its workers say to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from aimx.channel.messages import Vocabulary
from aimx.metrics.pages import Page
from desired.frozen import field, frozen

# Octets of a snapshot, and of the secrets beside it, that a worker takes.
MOST_SNAPSHOT = 512 * 1024 * 1024
MOST_SECRETS = 64 * 1024 * 1024
# Octets of a submission: both of its bodies.
MOST_SUBMISSION = 64 * 1024 * 1024


@frozen
class OutboundSecrets:
    """What outbound alone may know. It travels in a sealed descriptor, and is never logged."""

    # Private DKIM keys in PEM, by domain and algorithm.
    keys: Mapping[str, Mapping[str, str]] = field(repr=False)
    relay_password: str = field(default="", repr=False)  # Empty: none is needed, or there is none.

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> OutboundSecrets:
        return cls(**json.loads(raw))


@frozen
class Ready:
    """The worker has arrived, dropped what it does not need, and listens."""


@frozen
class Placements:
    """With one descriptor: a new channel to the placer; the one before is dead."""


@frozen
class Logging:
    """How the log is to be written."""

    level: str = "info"
    form: str | None = None  # None: as whoever reads it wants it.


@frozen
class Prepare:
    """With a sealed snapshot, and sealed secrets behind it: load both aside and probe them."""

    generation: int
    log: Logging = Logging()  # From the commit on.


@frozen
class Prepared:
    """It is loaded, and it works."""


@frozen
class Refused:
    """It does not work; what was before goes on."""

    reason: str


@frozen
class Commit:
    """Swap to what was prepared."""


@frozen
class Committed:
    """New transactions run on it."""


@frozen
class Drop:
    """What was prepared is not wanted any more."""


@frozen
class Leave:
    """Finish what is in hand, take nothing new, and go."""


@frozen
class Measure:
    """Say what you have counted."""


@frozen
class Measured:
    """What this process has counted since it began, by metric; what is not named is zero."""

    readings: Mapping[str, tuple[int | float, ...]]


@frozen
class Scrape:
    """With one descriptor: a connection whose request is to be read, and to be given its page."""

    pages: tuple[Page, ...]


@frozen
class Departures:
    """With one descriptor: the pipe in which to write who has left."""


@frozen
class Connection:
    """With one descriptor: a client's connection, accepted and counted."""

    peer: str


@frozen
class Submission:
    """With one descriptor, the content: a message that somebody here wants sent."""

    number: int
    content_length: int
    html_length: int
    text_only: bool
    uid: int  # Of the caller, whose idempotency keys are nobody else's.
    idempotency_key: str  # Empty: none.
    trace: str  # What the log calls the message.


@frozen
class QueueWish:
    """What somebody wants of the queue; of a message, if one is named. Replied to by `Answered`."""

    number: int
    does: Literal["list", "show", "hold", "release", "retry", "cancel"]
    name: str  # Of a message; empty: of all.
    uid: int | None  # Whose mailboxes' messages are meant where none is named; None: everybody's.
    seconds: int = 0  # For which it is to be held; 0: until it is released.


@frozen
class Authored:
    """Who the message is from, and the mailbox of that address (None: there is none).

    Nothing is done with the message before it is `Permitted`.
    """

    number: int
    author: str
    owner: int | None  # The uid of the mailbox's owner.


@frozen
class Permitted:
    """The caller may send as this author."""

    number: int


@frozen
class Forbidden:
    """The caller may not; the message is to be forgotten."""

    number: int


@frozen
class Answered:
    """What became of a submission, or a wish: a code of the socket's protocol; empty: success."""

    number: int
    code: str
    text: str  # The Message-ID or a document in JSON, or the reason.
    queued: str = ""  # What the queue calls a message that it has taken.


@frozen
class Attempted:
    """A message was tried, and no copy of it is kept: these hooks of its author's mailbox fire."""

    hooks: tuple[str, ...]
    uid: int  # The owner's.
    domain: str
    name: str  # Of the mailbox's directory.
    facts: str  # What each hook is told of it.


_TO_ALL = (Placements, Prepare, Commit, Drop, Leave, Measure)
_FROM_ALL = (Ready, Prepared, Refused, Committed, Measured)

TO_INBOUND = Vocabulary(*_TO_ALL, Departures, Connection, Scrape)
FROM_INBOUND = Vocabulary(*_FROM_ALL)
TO_OUTBOUND = Vocabulary(*_TO_ALL, Submission, Permitted, Forbidden, QueueWish)
FROM_OUTBOUND = Vocabulary(*_FROM_ALL, Authored, Attempted, Answered)
