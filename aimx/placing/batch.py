"""Group commit: everything that waits becomes durable together, and is answered together.

The order is the promise (RFC 5321 4.2.5 makes 250 ours): written, then flushed and the rows
committed, then the names, then the directories flushed, then the answers.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from aimx.channel.frames import Folder, Outcome, Over, Reply, Request
from aimx.metrics import table as metrics
from aimx.placing.descriptors import Rule
from aimx.placing.drafts import Desk, Draft, File
from aimx.placing.failure import PlacingError, translated
from aimx.placing.firings import Wanted
from aimx.placing.mailboxes import Mailbox, Mailboxes, Place
from aimx.placing.rewriting import Rewrite
from aimx.placing.rows import Before, Row, Rows, RowsError
from desired.frozen import frozen

_LONGEST_REASON = 200
_OUTCOMES = {outcome: outcome.name.lower() for outcome in Outcome}  # As they are counted.

log = structlog.get_logger()


@frozen
class Rights:
    """What a worker may ask, fixed when its channel is made."""

    folders: frozenset[Folder]
    rule: Rule  # For the descriptors that it passes.
    reopens: frozenset[Folder] = frozenset()  # Where it may open and replace what it placed.


@dataclass(slots=True)
class Job:
    """One request on its way. It has a reply as soon as that is certain."""

    request: Request
    descriptors: Sequence[int]  # Stay whose they are.
    rights: Rights
    reply: Reply | None = None
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place = Place(self.request.domain, self.request.folder, self.request.name)

    def answer(self, outcome: Outcome, text: str) -> None:
        self.reply = Reply(self.request.number, outcome, text)

    def fail(self, failure: PlacingError) -> None:
        # Bounded, so that the replies of a whole batch fit into a packet.
        reason = str(failure)[:_LONGEST_REASON]
        self.answer(failure.outcome, reason)
        log.warning(
            "mail not placed",
            trace=self.request.trace,
            mailbox=self.place.path,
            reason=str(failure),
        )


@frozen
class Staged:
    """A job whose message is complete and not seen yet."""

    job: Job
    mailbox: Mailbox
    stem: str
    draft: Draft


class Committer:
    """Owns nothing: the directories, the desk and the rows outlive every batch."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        desk: Desk,
        rows: Rows,
        now: Callable[[], datetime],
    ) -> None:
        self._mailboxes = mailboxes
        self._desk = desk
        self._rows = rows
        self._now = now

    def commit(self, jobs: Sequence[Job]) -> None:
        """Give every job its reply. What is placed by then survives a power cut."""
        begun = time.perf_counter()
        repeated = _repeated(jobs)
        fresh = [job for job in jobs if id(job) not in repeated]
        staged = list(self._staged(fresh, self._known(fresh)))
        try:
            with _flushing():
                self._make_durable(jobs, staged)
            self._publish(_unanswered(staged))
            with _flushing():
                self._flush_directories(_unanswered(staged))
            self._conclude(_unanswered(staged))
        finally:
            for each in staged:
                each.draft.discard()
            self._mailboxes.release()
        for job in jobs:
            if id(job) in repeated:
                _follow(job, repeated[id(job)])
        if jobs:
            _count(jobs, time.perf_counter() - begun)

    def _known(self, jobs: Sequence[Job]) -> Mapping[bytes | None, Before]:
        """Those that were placed before, by fingerprint."""
        asked = [job.request.fingerprint for job in jobs if job.request.fingerprint is not None]
        try:
            return dict(self._rows.before(asked, self._now()).items())
        except RowsError as failure:
            for job in jobs:
                if job.request.fingerprint is not None:
                    job.fail(PlacingError(str(failure)))
            return {}

    def _staged(
        self, jobs: Iterable[Job], known: Mapping[bytes | None, Before]
    ) -> Iterator[Staged]:
        # Each mailbox is looked at once a batch, and again before anything is published there.
        seen: dict[tuple[Place, int], Mailbox] = {}
        for job in jobs:
            if job.reply is not None:
                continue
            try:
                staged = self._stage(job, known, seen)
            except PlacingError as failure:
                job.fail(failure)
            except OSError as failure:
                job.fail(translated(failure, "writing the message"))
            except RowsError as failure:
                job.fail(PlacingError(str(failure)))
            else:
                if staged is not None:
                    yield staged

    def _stage(
        self,
        job: Job,
        known: Mapping[bytes | None, Before],
        seen: dict[tuple[Place, int], Mailbox],
    ) -> Staged | None:
        """Make the file, and name its stem; None where the message was placed before."""
        request = job.request
        if request.folder not in job.rights.folders:
            raise PlacingError(f"this worker may not place in {request.folder.directory}/")
        mailbox = seen.get((job.place, request.uid))
        if mailbox is None:
            mailbox = self._mailboxes.get(job.place, request.uid)
            seen[job.place, request.uid] = mailbox
        before = known.get(request.fingerprint)
        if before is not None and before.is_in(mailbox.mark):
            job.answer(Outcome.DUPLICATE, before.stem)
            return None
        if request.over is not None:
            return self._restaged(job, mailbox, request.over)
        stem = mailbox.stems.take(request.base)
        return Staged(job, mailbox, stem, self._draft(job, mailbox, stem))

    def _restaged(self, job: Job, mailbox: Mailbox, over: Over) -> Staged:
        """Make a file that takes the place of one that this worker has placed."""
        if job.request.folder not in job.rights.reopens:
            folder = job.request.folder.directory
            raise PlacingError(f"this worker may not replace what is in {folder}/")
        stem = self._rows.origin(over.origin, job.place, self._now())
        file = self._text(job, mailbox, stem, self._desk.naming)
        return Staged(job, mailbox, stem, Rewrite(file, over.seen))

    def _text(self, job: Job, mailbox: Mailbox, stem: str, desk: Desk) -> File:
        # The first lines are ours, so that name and id always agree.
        head = f'+++\nid = "{stem}"\n'.encode()
        if job.request.rest is None:
            return desk.copied(mailbox, head, job.descriptors[0], job.rights.rule)
        return desk.written(mailbox, head + job.request.rest)

    def _draft(self, job: Job, mailbox: Mailbox, stem: str) -> Draft:
        request, rule = job.request, job.rights.rule
        message = self._text(job, mailbox, stem, self._desk)
        if not request.attachments:
            return message
        passed = job.descriptors[request.rest is None :]
        bundle = self._desk.bundle(mailbox, message, f"{stem}.md")
        try:
            for name, descriptor in zip(request.attachments, passed, strict=True):
                bundle.add(self._desk.attached(mailbox, descriptor, rule), name)
        except (OSError, PlacingError):
            bundle.discard()
            raise
        return bundle

    def _make_durable(self, jobs: Sequence[Job], staged: Sequence[Staged]) -> None:
        """Files and rows at once: each waits for the disk, and neither for the other."""
        files = [file for each in staged for file in each.draft.files]
        bundles = [each.draft.directory for each in staged if each.draft.directory is not None]
        if not staged:
            self._record(jobs, staged)
            return
        disk = self._desk.disk
        with disk.beside(files) as flushing:
            self._record(jobs, staged)
        failures = flushing.failures | disk.flush_all(bundles)
        if failures:
            self._fail(staged, failures)

    def _fail(self, staged: Sequence[Staged], failures: Mapping[int, OSError]) -> None:
        for each in _unanswered(staged):
            flushed = (*each.draft.files, each.draft.directory)
            found = [failures[one] for one in flushed if one is not None and one in failures]
            if found:
                self._forget(each, translated(found[0], "flushing the message"))

    def _record(self, jobs: Sequence[Job], staged: Sequence[Staged]) -> None:
        rows = [
            Row(
                each.job.request.fingerprint,
                each.job.place,
                each.stem,
                each.draft.inode,
                each.mailbox.mark,
            )
            for each in _unanswered(staged)
            if each.job.request.fingerprint is not None
        ]
        hits = {
            job.request.fingerprint: job
            for job in jobs
            if job.request.fingerprint is not None and _is_duplicate(job)
        } | {each.job.request.over.origin: each.job for each in staged if each.job.request.over}
        if not rows and not hits and not self._rows.has_unsaved:
            return
        try:
            self._rows.record(rows, hits, self._now(), _wanted(staged))
        except RowsError as failure:
            # What a failed commit left is unsure, and no row may stand for mail that is not there.
            self._rows.withdraw(row.fingerprint for row in rows)
            for job in (*hits.values(), *(each.job for each in _unanswered(staged))):
                job.fail(PlacingError(str(failure)))

    def _publish(self, staged: Sequence[Staged]) -> None:
        moved: dict[Place, bool] = {}
        for each in staged:
            place = each.mailbox.place
            if place not in moved:
                moved[place] = self._mailboxes.is_moved(each.mailbox)
            if moved[place]:
                reason = f"the mailbox {place.path} was moved meanwhile"
                self._withdraw(each, PlacingError(reason, Outcome.AWAY))
                continue
            try:
                each.draft.publish(each.mailbox, each.stem)
            except PlacingError as failure:
                self._withdraw(each, failure)
            except OSError as failure:
                self._withdraw(each, translated(failure, "giving the message its name"))

    def _flush_directories(self, staged: Sequence[Staged]) -> None:
        changed: dict[int, list[Staged]] = defaultdict(list)
        for each in staged:
            for directory in each.draft.changes(each.mailbox):
                changed[directory].append(each)
        for directory, failure in self._desk.disk.flush_all(changed).items():
            for each in _unanswered(changed[directory]):
                self._withdraw(each, translated(failure, "flushing the mailbox"))

    def _forget(self, staged: Staged, failure: PlacingError) -> None:
        """The message will not be placed, and its row goes."""
        staged.job.fail(failure)
        if staged.job.request.fingerprint is not None:
            self._rows.withdraw((staged.job.request.fingerprint,))

    def _withdraw(self, staged: Staged, failure: PlacingError) -> None:
        """The message was not placed after all: its name, if it has one, and its row go."""
        self._forget(staged, failure)
        job = staged.job
        try:
            staged.draft.withdraw(staged.mailbox, staged.stem)
        except OSError:
            log.exception(
                "mail that is answered 451 could not be taken back",
                trace=job.request.trace,
                mailbox=job.place.path,
                id=staged.stem,
            )

    def _conclude(self, staged: Sequence[Staged]) -> None:
        for each in staged:
            each.job.answer(Outcome.PLACED, each.stem)
        self._rows.confirm(
            each.job.request.fingerprint
            for each in staged
            if each.job.request.fingerprint is not None
        )


@contextlib.contextmanager
def _flushing() -> Iterator[None]:
    begun = time.perf_counter()
    yield
    metrics.FLUSHING.observe(time.perf_counter() - begun)


def _count(jobs: Sequence[Job], seconds: float) -> None:
    metrics.BATCH.observe(len(jobs))
    metrics.COMMITTING.observe(seconds)
    for job in jobs:
        if job.reply is not None:
            metrics.PLACED.count(_OUTCOMES[job.reply.outcome])


def _wanted(staged: Iterable[Staged]) -> list[Wanted]:
    """What fires once these are placed."""
    return [
        Wanted(request.fingerprint, each.job.place, each.stem, each.mailbox.uid, request.due)
        for each in _unanswered(staged)
        if (request := each.job.request).due is not None and request.fingerprint is not None
    ]


def _is_duplicate(job: Job) -> bool:
    return job.reply is not None and job.reply.outcome is Outcome.DUPLICATE


def _unanswered(staged: Iterable[Staged]) -> list[Staged]:
    return [each for each in staged if each.job.reply is None]


def _repeated(jobs: Iterable[Job]) -> dict[int, Job]:
    """By identity, the jobs whose message another job of the batch has already, and that job."""
    first: dict[bytes, Job] = {}
    repeated = {}
    for job in jobs:
        fingerprint = job.request.fingerprint
        if fingerprint is not None and first.setdefault(fingerprint, job) is not job:
            repeated[id(job)] = first[fingerprint]
    return repeated


def _follow(job: Job, first: Job) -> None:
    """An equal message gets the outcome of the first, and is not kept again."""
    if first.reply is None:
        return
    outcome = Outcome.DUPLICATE if first.reply.outcome is Outcome.PLACED else first.reply.outcome
    job.answer(outcome, first.reply.text)
