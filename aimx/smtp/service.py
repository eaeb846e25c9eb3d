"""What a session needs of the process that it runs in."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple

from aimx.channel.room import Room
from aimx.mail.envelope import Incoming
from aimx.smtp.replies import Reply
from aimx.snapshot import Route, Snapshot
from desired.frozen import field, frozen

# Octets of messages that may be out of the spool and in memory at a time, over all sessions.
_MEMORY = 32 * 1024 * 1024


class Received(NamedTuple):
    """A message that a client has sent whole, and what was decided on the way."""

    incoming: Incoming
    routes: tuple[tuple[str, Route], ...]  # Each recipient, and where it led when RCPT came.
    snapshot: Snapshot  # The one of MAIL; the transaction knows no other.
    trace: str  # What the log calls it in every process.


async def _nothing(_received: Received) -> None: ...


@frozen
class Service:
    """The sessions' view of everything else."""

    current: Callable[[], Snapshot]  # Asked once a transaction.
    tls: Callable[
        [], ssl.SSLContext | None
    ]  # Asked once a STARTTLS; None: there is no certificate.
    receive: Callable[[Received], Awaitable[Reply]]  # Takes responsibility, or says why not.
    closed: Callable[[str], None]  # A client is gone, and its last message settled; by its address.
    spool: int  # The descriptor of a directory for what is too large for memory.
    memory: Room = field(default_factory=lambda: Room(_MEMORY))
    # What a message out of the spool waits for outside of memory: answers that its header needs.
    foresee: Callable[[Received], Awaitable[object]] = _nothing
    # Held while one of the largest is read, which takes several times its size.
    turn: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)
