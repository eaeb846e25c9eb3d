"""A hook as it is started: whose it is, and what runs. Only the supervisor has it."""

from __future__ import annotations

from aimx.snapshot import Event
from desired.frozen import frozen

# Where a message of each event is placed.
FOLDERS: dict[Event, str] = {"on_receive": "inbox", "after_send": "sent"}


@frozen
class Command:
    """From the generation that is committed, and never from a message."""

    hook: str
    event: Event
    mailbox: str  # Its address.
    domain: str
    folder: str  # The name of its directory.
    owner: str
    uid: int | None  # None: the owner is not there.
    argv: tuple[str, ...]
    timeout: float  # Seconds.
    fire_on_untrusted: bool
    replies_per_hour: int  # How often a peer may fire it in one thread.
