"""Giving messages their names, and taking back those that the disk does not keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from aimx.channel.placing import Outcome
from aimx.placing.disk import Disk, Flush
from aimx.placing.failure import PlacingError, translated
from aimx.placing.mailboxes import Mailbox, Mailboxes
from aimx.placing.recording import confirm, withdraw
from aimx.placing.rows import Rows
from aimx.placing.writing import Staged, unanswered
from desired.frozen import frozen

log = structlog.get_logger()


@dataclass(slots=True)
class Named:
    """Messages that have their names, but not yet for good."""

    staged: Sequence[Staged]
    changed: Mapping[int, Sequence[Staged]]  # By directory.
    flush: Flush | None = None  # Of the directories, once it has begun.


@frozen
class Naming:
    """What names are given with."""

    mailboxes: Mailboxes
    disk: Disk
    rows: Rows

    def give(self, staged: Sequence[Staged]) -> Named:
        """Publish these, as far as they can be."""
        # By directory: of one name there may be two.
        refusals: dict[int, PlacingError | None] = {}
        for each in staged:
            directory = each.mailbox.descriptor
            if directory not in refusals:
                refusals[directory] = self._refusal(each.mailbox)
            refusal = refusals[directory]
            if refusal is not None:
                self._take_back(each, refusal)
                continue
            try:
                each.draft.publish(each.mailbox, each.stem)
            except PlacingError as failure:
                self._take_back(each, failure)
            except OSError as failure:
                self._take_back(each, translated(failure, "giving the message its name"))
        changed: dict[int, list[Staged]] = defaultdict(list)
        for each in unanswered(staged):
            for directory in each.draft.changes(each.mailbox):
                changed[directory].append(each)
        return Named(staged, changed)

    def begin(self, named: Named) -> None:
        """Have the directories flushed while something else is done."""
        if named.flush is None:
            named.flush = self.disk.begin(named.changed)

    def settle(self, named: Named) -> None:
        """Wait for the directories; then each message is placed, or its name is taken back."""
        flush = named.flush
        failures = self.disk.flush_all(named.changed) if flush is None else flush.ended()
        for directory, failure in failures.items():
            for each in unanswered(named.changed[directory]):
                self._take_back(each, translated(failure, "flushing the mailbox"))
        placed = unanswered(named.staged)
        for each in placed:
            self._answer(each)
        confirm(self.rows, placed)
        for each in named.staged:
            each.let_go()

    def _answer(self, staged: Staged) -> None:
        job = staged.job
        refusal = self._refusal(staged.mailbox) if job.followers else None
        if refusal is not None:
            # This one may have gone with its directory. Who came later meant the one there now.
            for each in job.followers:
                each.fail(refusal)
            job.followers.clear()
        job.answer(Outcome.PLACED, staged.stem)

    def _refusal(self, mailbox: Mailbox) -> PlacingError | None:
        """Why what is in this directory is not in the mailbox of its name; None where it is."""
        path = mailbox.place.path
        try:
            moved = self.mailboxes.is_moved(mailbox)
        except OSError as failure:
            return translated(failure, f"looking for the mailbox {path}")
        return (
            PlacingError(f"the mailbox {path} was moved meanwhile", Outcome.AWAY) if moved else None
        )

    def _take_back(self, staged: Staged, failure: PlacingError) -> None:
        """The message was not placed after all: its name, if it has one, and its row go."""
        withdraw(self.rows, staged, failure)
        try:
            staged.draft.withdraw(staged.mailbox, staged.stem)
        except OSError:
            log.exception(
                "mail that is answered 451 could not be taken back",
                trace=staged.job.request.trace,
                mailbox=staged.job.place.path,
                id=staged.stem,
            )
