"""What is asked of a placer, and what it answers.

A request names the mailbox and brings the file without its first lines, inline or as the first
descriptor; the other descriptors are the attachments, in order. It names the hooks that are due
once the message is placed; what they are told is passed on unread.

What a worker placed under a fingerprint it may open again, and put another file in its place.
"""

from __future__ import annotations

import os
from enum import IntEnum
from typing import NamedTuple

from desired.frozen import frozen

INLINE = 128 * 1024  # Octets of content up to which it travels in the packet.
MOST_ATTACHMENTS = 200
FINGERPRINT_SIZE = 32
MOST_FACTS = 40 * 1024  # Octets that a hook is told of one message.


class Folder(IntEnum):
    """Where below a domain the mailbox's directory stands."""

    INBOX = 0
    SENT = 1

    # An enumeration's own is Python, and asked for wherever a mailbox is looked up.
    __hash__ = int.__hash__

    @property
    def directory(self) -> str:
        return _DIRECTORIES[self]


_DIRECTORIES = {folder: folder.name.lower() for folder in Folder}


class Outcome(IntEnum):
    """What became of a request. The text of the first two is the stem, of the others why."""

    PLACED = 0
    DUPLICATE = 1  # The same message was placed before, under that stem.
    FAILED = 2  # Nothing of it is visible; a later try may succeed.
    FULL = 3  # As FAILED, and the owner's quota is the reason.
    # As FAILED, since the mailbox was moved or retired, or is somebody else's now; or since what is
    # to be opened or replaced is not there any more.
    AWAY = 4
    OPENED = 5  # Comes with one descriptor; the text is the stem.
    CHANGED = 6  # As FAILED, since what is to be replaced is not as it was handed out.

    __hash__ = int.__hash__


@frozen
class Due:
    """What is to happen once the message is placed."""

    hooks: tuple[str, ...]  # By name, at least one.
    facts: bytes  # What each is told of the message: UTF-8, opaque to the placer.


@frozen
class Seen:
    """A file as it was handed out: who writes to it makes it another one."""

    inode: int
    modified: int  # Nanoseconds since 1970.
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Seen:
        return cls(found.st_ino, found.st_mtime_ns, found.st_size)


@frozen
class Over:
    """What a request puts its file in the place of."""

    origin: bytes  # The fingerprint that it was placed under.
    seen: Seen


@frozen
class Opening:
    """Hand out for reading what was placed under a fingerprint."""

    number: int
    folder: Folder
    domain: str
    name: str
    uid: int
    fingerprint: bytes


class Request(NamedTuple):
    """Place one message."""

    number: int  # Of the request on its channel; the reply repeats it.
    folder: Folder
    domain: str
    name: str  # Of the mailbox's directory.
    uid: int  # Who must own that directory.
    base: str  # The stem, but for a suffix; empty where the file takes the place of another.
    rest: bytes | None  # The file after its `id` line; None: the first descriptor has it.
    fingerprint: bytes | None = None
    attachments: tuple[str, ...] = ()  # File names, one a descriptor.
    due: Due | None = None  # Only with a fingerprint, which its rows share.
    over: Over | None = None
    trace: str = ""  # What the log calls the message.

    @property
    def descriptors(self) -> int:
        """How many must come with it."""
        return len(self.attachments) + (self.rest is None)


class Reply(NamedTuple):
    """The answer to the request of that number."""

    number: int
    outcome: Outcome
    text: str
