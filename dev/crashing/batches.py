"""A placer's start and its batches, in a fork that is struck, and what the next start finds.

The batches have a message of each form: in a packet, as a descriptor, with attachments; one that
comes twice; and new texts for two that are there. One thread
does it all, since strace counts the calls of each apart; so files are flushed either before the
rows are committed or after it.
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from aimx.channel.placing import Due, Folder, Outcome, Over, Request, Seen
from aimx.placing.committer import Committer
from aimx.placing.control import Take
from aimx.placing.descriptors import Rule
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk, has_unnamed_files, sweep
from aimx.placing.job import Job, Rights
from aimx.placing.mailboxes import Mailboxes, mark
from aimx.placing.rows import NAME, Rows, RowsError
from aimx.placing.settle import settle
from aimx.placing.spool import Spool

from .disk import Tree
from .forks import Work

OWNER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
BASE = "2026-01-02-030405-hello"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLACING, SPOOL, INBOX = "data/.aimx/placing", "data/.aimx/spool", "data/a.example/inbox/info"
LARGEST = 1 << 20
_KEPT = ("lock", NAME, "probe-")  # A probe that could not be removed goes at the next start.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Message:
    """What is placed, by a name that stands in its text."""

    name: str
    apart: bool = False  # Its text comes as a descriptor.
    attachments: tuple[str, ...] = ()
    hook: str = ""

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.name.encode()).digest()

    @property
    def rest(self) -> bytes:
        return f'name = "{self.name}"\n+++\n\nHello.\n'.encode()

    def content(self, attachment: str) -> bytes:
        return f"{attachment} of {self.name}".encode() * 100


MESSAGES = {
    message.name: message
    for message in (
        Message("flat", hook="tell"),
        Message("bundle", attachments=("a.txt", "b.txt"), hook="tell"),
        Message("apart", apart=True),
        Message("late"),
    )
}
FIRST, SECOND = ("flat", "bundle", "apart", "flat"), ("flat", "late")
REWRITTEN = ("flat", "bundle")  # Whose text is replaced in the end.


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


def lay_out(base: Path) -> None:
    for path in (PLACING, SPOOL, INBOX):
        (base / path).mkdir(parents=True)
    inbox = base / INBOX
    inbox.chmod(0o700)
    os.chown(inbox, OWNER.pw_uid, OWNER.pw_gid)


def work(base: Path, way: Way) -> Work:
    """All batches, and again what failed. After each it is said what became of it."""
    return Work(lambda: None, lambda: _all(base, way))


def _all(base: Path, way: Way) -> int:
    with ExitStack() as leaving:
        placer = Placer.begun(base, way, leaving)
        for names in (FIRST, SECOND):
            told = _said(placer.place(names))
            if failed := [name for name, outcome in told.items() if outcome not in PROMISED]:
                _said(placer.place(failed))
        print("inodes", json.dumps(inodes(base)), flush=True)
        for name in REWRITTEN:
            _said(placer.rewrite(name))
        with suppress(RowsError):  # As the placer's loop does.
            placer.desk.clear()
            placer.rows.save(NOW)
        leaving.pop_all()  # Neither is a killed one tidy.
    return 0


def _said(outcomes: dict[str, str]) -> dict[str, str]:
    """Tell it, in one write, so that a log of calls has it as one."""
    print(json.dumps(outcomes))
    sys.stdout.flush()
    return outcomes


PROMISED = (Outcome.PLACED.name, Outcome.DUPLICATE.name)


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
        data, directory, spool = (
            _opened(base / path, leaving) for path in ("data", PLACING, SPOOL)
        )
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


def _opened(path: Path, leaving: ExitStack) -> int:
    descriptor = os.open(path, _DIRECTORY)
    leaving.callback(os.close, descriptor)
    return descriptor


# What is seen afterwards.


def messages(base: Path) -> list[Path]:
    """Each message's text, in whatever bundle: a bundle without one is a problem of its own."""
    return [
        path / f"{path.name}.md" if path.is_dir() else path
        for path in sorted((base / INBOX).iterdir())
    ]


def inodes(base: Path) -> dict[str, int]:
    """Of what has a message's name, by path."""
    return {str(path.relative_to(base)): path.stat().st_ino for path in (base / INBOX).iterdir()}


def name_of(path: Path) -> str:
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("name = "):
                return line.removeprefix("name = ").strip('"')
    return ""


def problems(base: Path, said: dict[str, str], *, settled: bool) -> Iterator[str]:
    """What is wrong with what is there, by what was said; settled: by all that was said."""
    found = messages(base)
    for path in found:
        yield from _unwhole(path, said)
    names = [name_of(path) for path in found]
    for name in MESSAGES:
        number, outcome = names.count(name), said.get(name)
        if number > 1 or (outcome in PROMISED and number != 1):
            yield f"{name} is there {number} times, and was {outcome}"
        if settled and outcome not in PROMISED and number:
            yield f"{name} is there, and was {outcome}"
    left = [path.name for path in (base / PLACING).iterdir() if not path.name.startswith(_KEPT)]
    if settled and left:
        yield f"left over: {left}"


def _unwhole(path: Path, said: dict[str, str]) -> Iterator[str]:
    message = MESSAGES.get(name_of(path))
    if message is None:
        yield f"{path.name} is nothing that was placed"
        return
    texts = {
        False: f'+++\nid = "{path.stem}"\n'.encode() + message.rest,
        True: f'+++\nid = "{path.stem}"\nread = true\n'.encode() + message.rest,
    }
    content = path.read_bytes()
    is_new = said.get(f"{message.name} rewritten") == Outcome.PLACED.name
    if content not in texts.values() or (is_new and content != texts[True]):
        yield f"{path.name} holds {content[:80]!r}, and was rewritten: {is_new}"
    files = [path] if not message.attachments else list(path.parent.iterdir())
    if {each.name for each in files} != {path.name, *message.attachments}:
        yield f"{path.parent.name} has {sorted(each.name for each in files)}"
    for name in message.attachments:
        if (path.parent / name).read_bytes() != message.content(name):
            yield f"{name} of {message.name} is not whole"
    owned = files if not message.attachments else [path.parent, *files]
    yield from (f"{each.name} is not its owner's alone" for each in owned if not _is_private(each))


def _is_private(path: Path) -> bool:
    found = path.stat()
    mode = 0o700 if path.is_dir() else 0o600
    return (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (
        OWNER.pw_uid,
        OWNER.pw_gid,
        mode,
    )


def recovered(base: Path, said: dict[str, str]) -> Iterator[str]:
    """What is wrong once the next placer has begun, and all messages came again."""
    with ExitStack() as leaving:
        placer = Placer.begun(base, Way(), leaving)
        yield from (f"after a restart: {each}" for each in problems(base, said, settled=False))
        again = placer.place(list(MESSAGES))
        for name, outcome in again.items():
            if outcome not in PROMISED:
                yield f"{name} is {outcome} when it comes again"
            if said.get(name) in PROMISED and outcome != Outcome.DUPLICATE.name:
                yield f"{name} was known, and is {outcome} when it comes again"
        yield from (f"sent again: {each}" for each in problems(base, said | again, settled=True))
        placer.rows.save(NOW)
        fired = sorted(_fired(placer.rows))
        expected = sorted(each.fingerprint for each in MESSAGES.values() if each.hook)
        if len(fired) != len(expected):
            yield f"{len(fired)} hooks fire, and {len(expected)} messages have one"


def _fired(rows: Rows) -> Iterator[str]:
    """The stems whose hooks are handed out."""
    numbers: tuple[int, ...] = ()
    while row := rows.take(Take(running=numbers, finished=(), busy=(), wanted=True)):
        numbers = (*numbers, row.number)
        yield row.stem


def renumber(tree: Tree, real: dict[int, int], base: Path) -> None:
    """Let the rows know what they speak of by what it is now, in a copy of the machine.

    `real`: of the machine that was, by inode the number in the model.
    """
    database = base / PLACING / NAME
    if not database.exists():
        return
    now = {number: (base / path).stat().st_ino for path, number, _ in tree}
    connection = sqlite3.connect(database, isolation_level=None)
    with suppress(sqlite3.DatabaseError):  # One that is damaged is the placer's matter.
        for fingerprint, inode in connection.execute("SELECT fingerprint, inode FROM placed"):
            there = now.get(real.get(int(inode), -1), 0)
            connection.execute(
                "UPDATE placed SET inode = ? WHERE fingerprint = ?", (str(there), fingerprint)
            )
        with ExitStack() as leaving:
            inbox = mark(_opened(base / INBOX, leaving))
        connection.execute("UPDATE placed SET mailbox = ?", (inbox,))
    connection.close()
