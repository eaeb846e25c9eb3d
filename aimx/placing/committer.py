"""Group commit: what waited together becomes durable together, and is answered together.

The order is the promise (RFC 5321 4.2.5 makes 250 ours): written, then flushed and the rows
committed, then the names, then the directories flushed, then the answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from aimx.channel.placing import Outcome
from aimx.metrics import table as metrics
from aimx.placing.drafts import Desk
from aimx.placing.failure import translated
from aimx.placing.job import Job
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.naming import Naming
from aimx.placing.recording import record, withdraw
from aimx.placing.rows import Rows
from aimx.placing.writing import Staged, Writer, unanswered

_OUTCOMES = {outcome: outcome.name.lower() for outcome in Outcome}  # As they are counted.


class Committer:
    """Has nothing between two batches. The directories, the desk and the rows are others'."""

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

    def commit(self, jobs: Sequence[Job]) -> None:
        """Give every job its reply. What is placed by then survives a power cut."""
        begun = time.perf_counter()
        metrics.BATCH.observe(len(jobs))
        fresh = _leading(jobs)
        staged = self._writer.write(fresh, now := self._now())
        try:
            self._keep(fresh, staged, now)
            self._naming.give(unanswered(staged))
        finally:
            for each in staged:
                each.draft.discard()
            self._mailboxes.release()
        metrics.COMMITTING.observe(time.perf_counter() - begun)
        for job in jobs:
            assert job.reply is not None
            metrics.PLACED.count(_OUTCOMES[job.reply.outcome])

    def _keep(self, jobs: Sequence[Job], staged: Sequence[Staged], now: datetime) -> None:
        """Files and rows, each of which waits for the disk and not for the other."""
        begun = time.perf_counter()
        flush = self._disk.begin([one for each in staged for one in each.draft.flushed])
        record(self._rows, jobs, staged, now)
        failures = flush.ended()
        for each in unanswered(staged) if failures else ():
            found = [failures[one] for one in each.draft.flushed if one in failures]
            if found:
                withdraw(self._rows, each, translated(found[0], "flushing the message"))
        metrics.FLUSHING.observe(time.perf_counter() - begun)


def _leading(jobs: Sequence[Job]) -> list[Job]:
    """Of equal messages the first, whose outcome the others get."""
    leading: list[Job] = []
    first: dict[bytes, Job] = {}
    for job in jobs:
        fingerprint = job.request.fingerprint
        leader = job if fingerprint is None else first.setdefault(fingerprint, job)
        if leader is job:
            leading.append(job)
        else:
            leader.followers.append(job)
    return leading
