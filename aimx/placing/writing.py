"""From a request to a draft: whole, its owner's alone, and without a name below the mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from aimx.channel.placing import Outcome, Over
from aimx.placing.database import RowsError
from aimx.placing.drafts import Desk, Draft, File
from aimx.placing.failure import PlacingError, translated
from aimx.placing.job import Job
from aimx.placing.mailboxes import Mailbox, Mailboxes, Place
from aimx.placing.rewriting import Rewrite
from aimx.placing.rows import Before, Rows
from desired.frozen import frozen


@frozen
class Staged:
    """A job whose message is complete and not seen yet."""

    job: Job
    mailbox: Mailbox
    stem: str
    draft: Draft


def unanswered(staged: Iterable[Staged]) -> list[Staged]:
    """Those that may still be placed."""
    return [each for each in staged if each.job.reply is None]


class Writer:
    """Writes the drafts of a batch. Whoever gets none has a reply instead."""

    def __init__(self, mailboxes: Mailboxes, desk: Desk, rows: Rows) -> None:
        self._mailboxes = mailboxes
        self._desk = desk
        self._rows = rows

    def write(self, jobs: Sequence[Job], now: datetime) -> list[Staged]:
        """A job that was placed before is answered; one that cannot be written has failed."""
        staged = []
        known = self._known(jobs, now)
        # Each mailbox is looked at once a batch, and again before anything is published there.
        seen: dict[tuple[Place, int], Mailbox] = {}
        for job in jobs:
            if job.reply is not None:
                continue
            try:
                mailbox = self._mailbox(job, seen)
                before = known.get(job.request.fingerprint)
                if before is not None and before.is_in(mailbox.mark):
                    job.answer(Outcome.DUPLICATE, before.stem)
                    continue
                staged.append(self._staged(job, mailbox, now))
            except PlacingError as failure:
                job.fail(failure)
            except OSError as failure:
                job.fail(translated(failure, "writing the message"))
            except RowsError as failure:
                job.fail(PlacingError(str(failure)))
        return staged

    def _known(self, jobs: Sequence[Job], now: datetime) -> Mapping[bytes | None, Before]:
        """Those that were placed before, by fingerprint."""
        asked = [job.request.fingerprint for job in jobs if job.request.fingerprint is not None]
        try:
            return dict(self._rows.before(asked, now).items())
        except RowsError as failure:
            for job in jobs:
                if job.request.fingerprint is not None:
                    job.fail(PlacingError(str(failure)))
            return {}

    def _mailbox(self, job: Job, seen: dict[tuple[Place, int], Mailbox]) -> Mailbox:
        request = job.request
        if request.folder not in job.rights.folders:
            raise PlacingError(f"this worker may not place in {request.folder.directory}/")
        mailbox = seen.get((job.place, request.uid))
        if mailbox is None:
            mailbox = self._mailboxes.get(job.place, request.uid)
            seen[job.place, request.uid] = mailbox
        return mailbox

    def _staged(self, job: Job, mailbox: Mailbox, now: datetime) -> Staged:
        """The file is made, and its stem is taken."""
        if job.request.over is not None:
            return self._restaged(job, mailbox, job.request.over, now)
        stem = mailbox.stems.take(job.request.base)
        return Staged(job, mailbox, stem, self._draft(job, mailbox, stem))

    def _restaged(self, job: Job, mailbox: Mailbox, over: Over, now: datetime) -> Staged:
        """Make a file that takes the place of one that this worker has placed."""
        if job.request.folder not in job.rights.reopens:
            folder = job.request.folder.directory
            raise PlacingError(f"this worker may not replace what is in {folder}/")
        stem = self._rows.origin(over.origin, job.place, now)
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
