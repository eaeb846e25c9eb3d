"""Group commit in two stages: while the names of some messages become durable, others are written.

The order is the promise (RFC 5321 4.2.5 makes 250 ours). Of each message: written, then flushed
and its row committed, then its name, then its directory flushed, then its answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from aimx.channel.placing import Outcome
from aimx.metrics import table as metrics
from aimx.placing.disk import Flush
from aimx.placing.drafts import Desk
from aimx.placing.failure import translated
from aimx.placing.job import Job
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.naming import Named, Naming
from aimx.placing.recording import record, withdraw
from aimx.placing.rows import Rows
from aimx.placing.writing import Staged, Writer, unanswered
from desired.frozen import frozen

_OUTCOMES = {outcome: outcome.name.lower() for outcome in Outcome}  # As they are counted.


@frozen
class Written:
    """A batch whose files are being flushed; its rows are committed."""

    staged: Sequence[Staged]
    flush: Flush


class Committer:
    """What is on the way. The directories, the desk and the rows are others', and outlive it."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        desk: Desk,
        rows: Rows,
        now: Callable[[], datetime],
    ) -> None:
        self._mailboxes = mailboxes
        self._disk = desk.disk
        self._rows = rows
        self._now = now
        self._writer = Writer(mailboxes, desk, rows)
        self._naming = Naming(mailboxes, desk.disk, rows)
        self._jobs: list[Job] = []
        self._first: dict[bytes, Job] = {}  # By fingerprint: whom equal messages follow.
        self._written: list[Written] = []
        self._flushed: list[Staged] = []
        self._named: Named | None = None

    @property
    def on_the_way(self) -> Sequence[Job]:
        """Those that `advance` has not given back."""
        return self._jobs

    @property
    def has_new_names(self) -> bool:
        """Whether there are names of which nothing is flushed before the next `begin` or `rest`."""
        return self._named is not None and self._named.flush is None

    def concerns(self, fingerprint: bytes) -> bool:
        """Whether what becomes of this message is open."""
        return fingerprint in self._first

    def begin(self, jobs: Sequence[Job]) -> None:
        """Write a batch and commit its rows, while names and then its files are flushed."""
        metrics.BATCH.observe(len(jobs))
        now = self._now()
        self._jobs += jobs
        if self._named is not None:
            self._naming.begin(self._named)
        fresh = [job for job in jobs if not self._follows(job)]
        staged = list(self._writer.write(fresh, now))
        flush = self._disk.begin([one for each in staged for one in each.draft.flushed])
        record(self._rows, fresh, staged, now)
        self._written.append(Written(staged, flush))

    def advance(self, seconds: float = 0) -> list[Job]:
        """Take everything as far as the disk is; gives the jobs that have their replies by then.

        What is placed by then survives a power cut. Waits for the newest files, at most so long.
        """
        named = self._named
        if named is not None and named.flush is not None and named.flush.is_over():
            self._settle_names(named)
        if seconds and self._written:
            self._written[-1].flush.is_over(seconds)
        written, self._written = self._written, []
        for batch in written:
            if batch.flush.is_over():
                self._settle_files(batch)
            else:
                self._written.append(batch)
        # One set of names at a time. Who shares an open directory is told of its failure once: of
        # two flushes at a time one would believe that all is well.
        if self._named is None and self._flushed:
            self._named, self._flushed = self._naming.give(self._flushed), []
            if not self._named.changed:
                self._settle_names(self._named)
        if not self._is_flushing:
            self._disk.clear()
        return self._answered()

    def rest(self) -> list[Job]:
        """As nobody asks for anything else, wait for the names that there are."""
        if self._named is not None:
            self._settle_names(self._named)
        return self.advance()

    def finish(self) -> list[Job]:
        """Wait until nothing is on the way any more."""
        answered = self.advance()
        while self._written or self._named is not None:
            for each in self._written:
                each.flush.ended()
            answered += self.rest()
        return answered

    @property
    def _is_flushing(self) -> bool:
        return bool(self._written) or (self._named is not None and self._named.flush is not None)

    def _follows(self, job: Job) -> bool:
        """Whether an equal message is on the way already, whose outcome this one gets."""
        fingerprint = job.request.fingerprint
        if fingerprint is None:
            return False
        first = self._first.get(fingerprint)
        if first is None or first.reply is not None:
            self._first[fingerprint] = job
            return False
        first.followers.append(job)
        return True

    def _settle_files(self, written: Written) -> None:
        """What is durable waits for its name; what is not has failed."""
        failures = written.flush.ended()
        for each in unanswered(written.staged) if failures else ():
            found = [failures[one] for one in each.draft.flushed if one in failures]
            if found:
                withdraw(self._rows, each, translated(found[0], "flushing the message"))
        for each in written.staged:
            if each.job.reply is None:
                self._flushed.append(each)
            else:
                each.let_go()
        metrics.FLUSHING.observe(time.perf_counter() - written.flush.begun)

    def _settle_names(self, named: Named) -> None:
        begun = time.perf_counter() if named.flush is None else named.flush.begun
        self._naming.settle(named)
        self._named = None
        metrics.FLUSHING.observe(time.perf_counter() - begun)

    def _answered(self) -> list[Job]:
        answered = [job for job in self._jobs if job.reply is not None]
        if not answered:
            return []
        self._jobs = [job for job in self._jobs if job.reply is None]
        self._mailboxes.release()
        metrics.COMMITTING.observe(time.perf_counter() - answered[0].begun)
        for job in answered:
            assert job.reply is not None
            metrics.PLACED.count(_OUTCOMES[job.reply.outcome])
            fingerprint = job.request.fingerprint
            if fingerprint is not None and self._first.get(fingerprint) is job:
                del self._first[fingerprint]
        return answered
