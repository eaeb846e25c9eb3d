"""Counts unread messages as the owner of the mailboxes: it opens what only that user could.

Messages come from the internet, so no process with uid 0 reads one.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from aimx.processes.privileges import PrivilegeError, drop, harden
from aimx.processes.start import Arrival, StartError, run

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO would hold us until somebody writes to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST = 1000  # Unread messages of a mailbox: whoever is told of so many looks for themselves.
_SECONDS = 1.0  # For one mailbox.
_HEAD = 256 * 1024  # Octets of a file; what is ours says it in the first few thousand.
# A value stands on one line, and tables come last: no line of a message looks like this one.
_READ = re.compile(rb"^read[ \t]*=[ \t]*(true|false)[ \t\r]*$", re.MULTILINE)
_MARK = b"+++\n"


def main() -> None:
    run("counting", serve)


def serve(arrival: Arrival) -> None:
    """One line of the answer for each mailbox, as soon as it is counted."""
    user = arrival.user
    try:
        if user is not None:
            drop(user.uid, user.gid)
        if os.getuid() == 0:
            raise StartError("root reads no message")
        harden()
    except (PrivilegeError, OSError) as cause:
        raise StartError(f"unread messages cannot be counted: {cause}") from cause
    data, answer = arrival.descriptors["data"], arrival.descriptors["answer"]
    with os.fdopen(arrival.descriptors["request"], "rb") as request:
        mailboxes = json.loads(request.read())
    with suppress(BrokenPipeError):  # Who asked has left.
        for domain, name in mailboxes:
            try:
                with _opened(data, domain, "inbox", name) as inbox:
                    found = count(inbox)
            except OSError:
                continue  # That one stays unknown.
            os.write(answer, json.dumps([domain, name, *found]).encode() + b"\n")


def count(inbox: int, most: int = _MOST, seconds: float = _SECONDS) -> tuple[int, bool]:
    """How many are unread, the newest looked at first; and whether there may be more."""
    deadline, unread, at_least = monotonic() + seconds, 0, False
    for name in sorted(os.listdir(inbox), reverse=True):
        if unread >= most or monotonic() >= deadline:
            return unread, True
        try:
            read = _is_read(inbox, name)
        except OSError:
            at_least = True
        else:
            unread += read is False
    return unread, at_least


def _is_read(inbox: int, name: str) -> bool | None:
    """Whether somebody read the message of this name; None where there is none."""
    if name.endswith(".md"):
        return _says(_head(inbox, name))
    if not stat.S_ISDIR(os.stat(name, dir_fd=inbox, follow_symlinks=False).st_mode):
        return None
    with _opened(inbox, name) as bundle:
        try:
            return _says(_head(bundle, f"{name}.md"))
        except FileNotFoundError:
            return None


def _says(head: bytes) -> bool | None:
    """What the frontmatter says; what does not say is not read yet."""
    if not head.startswith(_MARK):
        return None
    end = head.find(b"\n" + _MARK, len(_MARK) - 1)
    found = _READ.search(head, 0, end if end >= 0 else len(head))
    return found is not None and found[1] == b"true"


def _head(directory: int, name: str) -> bytes:
    descriptor = os.open(name, _FILE, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return os.read(descriptor, _HEAD)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(directory: int, *names: str) -> Iterator[int]:
    """A directory below another one, no link followed on the way."""
    here = os.dup(directory)
    try:
        for name in names:
            below = os.open(name, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


if __name__ == "__main__":
    main()
