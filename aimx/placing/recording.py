"""The rows of a batch, committed in one transaction before any of its names is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from aimx.channel.placing import Outcome
from aimx.placing.database import RowsError
from aimx.placing.failure import PlacingError
from aimx.placing.firings import Wanted
from aimx.placing.job import Job
from aimx.placing.rows import Row, Rows
from aimx.placing.writing import Staged, unanswered


def record(rows: Rows, jobs: Sequence[Job], staged: Sequence[Staged], now: datetime) -> None:
    """Record what was staged and what was known already; whoever cannot be recorded has failed."""
    waiting = unanswered(staged)
    fresh = [row for each in waiting if (row := _row(each)) is not None]
    hits = _hits(jobs, staged)
    if not fresh and not hits and not rows.has_unsaved:
        return
    try:
        rows.record(fresh, hits, now, _wanted(waiting))
    except RowsError as failure:
        # What a failed commit left is unsure, and no row may stand for mail that is not there.
        rows.withdraw(row.fingerprint for row in fresh)
        for job in (*hits.values(), *(each.job for each in waiting)):
            job.fail(PlacingError(str(failure)))


def confirm(rows: Rows, staged: Iterable[Staged]) -> None:
    """These are seen, and durable."""
    rows.confirm(
        each.job.request.fingerprint for each in staged if each.job.request.fingerprint is not None
    )


def withdraw(rows: Rows, staged: Staged, failure: PlacingError) -> None:
    """This one will not be placed, and its row goes."""
    staged.job.fail(failure)
    if staged.job.request.fingerprint is not None:
        rows.withdraw((staged.job.request.fingerprint,))


def _row(staged: Staged) -> Row | None:
    fingerprint, job = staged.job.request.fingerprint, staged.job
    if fingerprint is None:
        return None
    return Row(fingerprint, job.place, staged.stem, staged.draft.inode, staged.mailbox.mark)


def _hits(jobs: Sequence[Job], staged: Sequence[Staged]) -> dict[bytes, Job]:
    """By fingerprint, what was placed before and was asked for again, or is replaced now."""
    again = {
        job.request.fingerprint: job
        for job in jobs
        if job.reply is not None
        and job.reply.outcome is Outcome.DUPLICATE
        and job.request.fingerprint is not None
    }
    replaced = {each.job.request.over.origin: each.job for each in staged if each.job.request.over}
    return again | replaced


def _wanted(staged: Iterable[Staged]) -> list[Wanted]:
    """What fires once these are placed."""
    return [
        Wanted(request.fingerprint, each.job.place, each.stem, each.mailbox.uid, request.due)
        for each in staged
        if (request := each.job.request).due is not None and request.fingerprint is not None
    ]
