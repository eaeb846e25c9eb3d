"""Giving messages their names, and taking back those that the disk does not keep."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from aimx.channel.placing import Outcome
from aimx.metrics import table as metrics
from aimx.placing.disk import Disk
from aimx.placing.failure import PlacingError, translated
from aimx.placing.mailboxes import Mailbox, Mailboxes
from aimx.placing.recording import confirm, withdraw
from aimx.placing.rows import Rows
from aimx.placing.writing import Staged, unanswered
from desired.frozen import frozen

log = structlog.get_logger()


@frozen
class Naming:
    """What names are given with."""

    mailboxes: Mailboxes
    disk: Disk
    rows: Rows

    def give(self, staged: Sequence[Staged]) -> None:
        """Publish these durably, as far as they can be. Each has its answer then."""
        changed = self._published(staged)
        begun = time.perf_counter()
        for directory, failure in self.disk.flush_all(changed).items():
            for each in unanswered(changed[directory]):
                self._take_back(each, translated(failure, "flushing the mailbox"))
        metrics.FLUSHING.observe(time.perf_counter() - begun)
        placed = unanswered(staged)
        for each in placed:
            each.job.answer(Outcome.PLACED, each.stem)
        confirm(self.rows, placed)

    def _published(self, staged: Sequence[Staged]) -> Mapping[int, Sequence[Staged]]:
        """By directory that has changed, what it has the names of."""
        # By directory as well: of one name there may be two.
        refusals: dict[int, PlacingError | None] = {}
        changed: dict[int, list[Staged]] = defaultdict(list)
        for each in staged:
            directory = each.mailbox.descriptor
            if directory not in refusals:
                refusals[directory] = self._refusal(each.mailbox)
            refusal = refusals[directory] or _refused(each)
            if refusal is not None:
                self._take_back(each, refusal)
                continue
            for one in each.draft.changes(each.mailbox):
                changed[one].append(each)
        return changed

    def _refusal(self, mailbox: Mailbox) -> PlacingError | None:
        """Why what is in this directory is not in the mailbox of its name; None where it is."""
        try:
            if not self.mailboxes.is_moved(mailbox):
                return None
        except OSError as failure:
            return translated(failure, f"looking for the mailbox {mailbox.place.path}")
        moved = f"the mailbox {mailbox.place.path} was moved meanwhile"
        return PlacingError(moved, Outcome.AWAY)

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


def _refused(staged: Staged) -> PlacingError | None:
    """Give one its name; why it did not get it, or None."""
    try:
        staged.draft.publish(staged.mailbox, staged.stem)
    except PlacingError as failure:
        return failure
    except OSError as failure:
        return translated(failure, "giving the message its name")
    return None
