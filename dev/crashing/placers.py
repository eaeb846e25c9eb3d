"""A placer in one thread, and the ways it works in.

strace counts the calls of each thread apart; so files are flushed either before the rows are
committed or after it, and not beside.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from aimx.channel.placing import Due, Folder, Over, Request, Seen
from aimx.placing.committer import Committer
from aimx.placing.database import NAME
from aimx.placing.descriptors import Rule
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk, has_unnamed_files, sweep
from aimx.placing.job import Job, Rights
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.rows import Rows
from aimx.placing.settle import settle
from aimx.placing.spool import Spool

from .letters import BASE, MESSAGES, NOW, OWNER, PLACING, SPOOL, Message
from .placed import messages, name_of

LARGEST = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Way:
    """How a placer works."""

    unnamed: bool = True  # Whether the file system has files without a name.
    files_first: bool = True  # Flushed before the rows are committed.


WAYS = {
    "files-first": Way(),
    "rows-first": Way(files_first=False),
    "copying": Way(unnamed=False),
}


@dataclass(slots=True)
class _Later:
    """A flush that begins when somebody waits for it."""

    disk: _InOrder
    left: Sequence[int]
    failures: dict[int, OSError] = field(default_factory=dict)

    def ended(self) -> Mapping[int, OSError]:
        left, self.left = self.left, ()
        for descriptor in left:
            try:
                self.disk.flush(descriptor)
            except OSError as failure:
                self.failures[descriptor] = failure
        return self.failures


class _InOrder(Disk):
    """Flushes one after the other, and not beside the rows."""

    def __init__(self, *, files_first: bool) -> None:
        super().__init__()
        self._files_first = files_first

    def begin(self, descriptors: Iterable[int]) -> _Later:
        flush = _Later(self, tuple(dict.fromkeys(descriptors)))
        if self._files_first:
            flush.ended()
        return flush


@dataclass
class Placer:
    """What the placer's process is made of, but for its channels."""

    base: Path
    rows: Rows
    desk: Desk
    committer: Committer
    spool: Spool
    device: int
    number: int = 0

    @classmethod
    def begun(cls, base: Path, way: Way, leaving: ExitStack) -> Placer:
        """As `aimx.processes.placer` begins."""
        data, directory, spool = (opened(base / path, leaving) for path in ("data", PLACING, SPOOL))
        sweep(directory, ("lock", NAME))
        disk, mailboxes = _InOrder(files_first=way.files_first), Mailboxes(data)
        leaving.callback(mailboxes.close)
        rows = Rows(base / PLACING / NAME)
        leaving.callback(rows.close)
        settle(rows, mailboxes, disk, directory, NOW)
        desk = Desk(directory, disk, unnamed=has_unnamed_files(directory) and way.unnamed)
        committer = Committer(mailboxes, desk, rows, lambda: NOW)
        return cls(base, rows, desk, committer, Spool(spool), os.fstat(directory).st_dev)

    def place(self, names: Sequence[str]) -> dict[str, str]:
        """What became of each: of one that the worker could not spool, that."""
        jobs, outcomes = {}, {}
        for name in names:
            try:
                jobs[self._placing(MESSAGES[name])] = name
            except OSError:
                outcomes[name] = "UNSPOOLED"
        return outcomes | self._commit(jobs)

    def rewrite(self, name: str) -> dict[str, str]:
        """As the worker does that has placed it."""
        found = [path for path in messages(self.base) if name_of(path) == name]
        if not found:
            return {}
        message = MESSAGES[name]
        over = Over(message.fingerprint, Seen.of(found[0].stat()))
        request = self._request(message)._replace(
            base="",
            rest=b"read = true\n" + message.rest,
            fingerprint=sha256(f"{name} rewritten".encode()).digest(),
            attachments=(),
            due=None,
            over=over,
        )
        return self._commit({Job(request, (), self._rights): f"{name} rewritten"})

    def _commit(self, jobs: dict[Job, str]) -> dict[str, str]:
        self.committer.commit(list(jobs))
        for job in jobs:
            for descriptor in job.descriptors:
                os.close(descriptor)
        return {name: job.reply.outcome.name for job, name in jobs.items() if job.reply}

    @property
    def _rights(self) -> Rights:
        inbox = frozenset({Folder.INBOX})
        return Rights(inbox, Rule(os.geteuid(), self.device, LARGEST), reopens=inbox)

    def _placing(self, message: Message) -> Job:
        contents = [message.content(name) for name in message.attachments]
        if message.apart:
            contents.insert(0, message.rest)
        passed = tuple(self.spool.hold(content) for content in contents)
        return Job(self._request(message), passed, self._rights)

    def _request(self, message: Message) -> Request:
        self.number += 1
        return Request(
            number=self.number,
            folder=Folder.INBOX,
            domain="a.example",
            name="info",
            uid=OWNER.pw_uid,
            base=BASE,
            rest=None if message.apart else message.rest,
            fingerprint=message.fingerprint,
            attachments=message.attachments,
            due=Due((message.hook,), b"{}") if message.hook else None,
        )


def opened(path: Path, leaving: ExitStack) -> int:
    descriptor = os.open(path, _DIRECTORY)
    leaving.callback(os.close, descriptor)
    return descriptor
