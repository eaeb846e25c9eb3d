"""Has unread messages counted by a process that has become their owner."""

from __future__ import annotations

import json
import os
import select
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from subprocess import Popen, TimeoutExpired
from time import monotonic

from aimx.processes.start import Identity, start
from reconcilers.roots import Roots
from reconcilers.unread import Inbox, Unread

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # It may be a link.
# For all of them. A process that ends sooner is not waited for; on a slow machine one takes
# seconds to begin.
_SECONDS = 15.0
_OWNERS = 8  # Each is a process; the mail of others stays uncounted.
_LAST_SECONDS = 2.0
_CHUNK = 1 << 16


def count(roots: Roots, inboxes: Sequence[Inbox]) -> Mapping[str, Unread]:
    """What could be counted in the time there is, by the address of the change."""
    addresses = {(inbox.domain, inbox.name): inbox.address for inbox in inboxes}
    deadline = monotonic() + _SECONDS
    with ExitStack() as leaving, suppress(OSError):
        counting = [
            _begun(roots, owner, those, leaving) for owner, those in _by_owner(inboxes).items()
        ]
        return {
            addresses[place]: unread
            for each in counting
            for place, unread in each.answers(deadline)
            if place in addresses
        }
    return {}


@dataclass(slots=True)
class _Counting:
    """One owner's process, and the end of its line to us."""

    process: Popen[bytes]
    answer: int

    def answers(self, deadline: float) -> Iterator[tuple[tuple[str, str], Unread]]:
        """What came until it ended or the time was over."""
        said = b""
        while select.select([self.answer], [], [], max(deadline - monotonic(), 0.0))[0]:
            chunk = os.read(self.answer, _CHUNK)
            said += chunk
            if not chunk or len(said) > _CHUNK:
                break
        # Who reads mail is not to be believed any more than the mail.
        for line in said.splitlines():
            with suppress(ValueError, TypeError, OverflowError, RecursionError):
                domain, name, messages, at_least = json.loads(line)
                yield (str(domain), str(name)), Unread(max(int(messages), 0), at_least is True)

    def end(self) -> None:
        self.process.kill()
        with suppress(TimeoutExpired):  # A file system that hangs holds up only that process.
            self.process.wait(_LAST_SECONDS)


def _by_owner(inboxes: Sequence[Inbox]) -> Mapping[Identity, list[Inbox]]:
    """Those whose owner we can be: whom root cannot stop being, and without root anybody else."""
    found: dict[Identity, list[Inbox]] = defaultdict(list)
    for inbox in inboxes:
        if inbox.uid > 0 and inbox.gid > 0 and os.geteuid() in (0, inbox.uid):
            found[Identity(inbox.uid, inbox.gid)].append(inbox)
    return dict(list(found.items())[:_OWNERS])


def _begun(
    roots: Roots, owner: Identity, inboxes: Sequence[Inbox], leaving: ExitStack
) -> _Counting:
    """Started with the data directory: what is below a mailbox only its owner opens."""
    with ExitStack() as given:
        data = os.open(roots.data, _ROOT)
        given.callback(os.close, data)
        request = os.memfd_create("aimx-counting", os.MFD_CLOEXEC)
        given.callback(os.close, request)
        os.write(request, json.dumps([[each.domain, each.name] for each in inboxes]).encode())
        os.lseek(request, 0, os.SEEK_SET)
        ours, theirs = os.pipe()
        leaving.callback(os.close, ours)
        given.callback(os.close, theirs)
        become = owner if os.geteuid() == 0 else None
        descriptors = {"data": data, "request": request, "answer": theirs}
        counting = _Counting(start("counting", descriptors, become), ours)
        leaving.callback(counting.end)
        return counting
