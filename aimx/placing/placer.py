"""The placer's loop: take what waits, make it durable, answer it, and again.

While it waits for the disk more comes to wait for it, so that batches grow with what there is
to do.
"""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from aimx import logs
from aimx.channel.control import Logging, Measure, Measured
from aimx.channel.frames import pack_replies
from aimx.channel.packets import Channel, Kind, MalformedError, Packet, close_all
from aimx.channel.placing import Opening
from aimx.metrics import table as metrics
from aimx.metrics.totals import readings
from aimx.placing.committer import Committer
from aimx.placing.control import PLACER, Admit, Dismissed, FiringsDue, Ready, Take
from aimx.placing.database import RowsError
from aimx.placing.descriptors import Rule
from aimx.placing.drafts import Desk
from aimx.placing.handing import Handing
from aimx.placing.job import Rights
from aimx.placing.lending import Lending
from aimx.placing.rows import Rows
from aimx.placing.workers import Batch, Worker, Workers

_SAVE_SECONDS = 1.0  # How long what is confirmed may wait for a transaction.

log = structlog.get_logger()


class Placer:
    """Serves the workers that the supervisor admits, until the supervisor goes."""

    def __init__(
        self,
        control: Channel,
        committer: Committer,
        desk: Desk,
        rows: Rows,
        handing: Handing,
        lending: Lending,
        *,
        device: int,
        largest: int,
        now: Callable[[], datetime],
    ) -> None:
        self._control = control
        self._committer = committer
        self._desk = desk
        self._rows = rows
        self._handing = handing
        self._lending = lending
        self._device = device
        self._largest = largest
        self._now = now
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)
        self._workers = Workers(self._poll, self._dismissed)
        self._save_at = math.inf  # When what is unsaved has waited for long enough.

    def serve(self) -> None:
        """Return when the control channel ends: all answered that was taken, everything saved."""
        # A supervisor that died while this began is seen to be gone by the first turn.
        with contextlib.suppress(ConnectionError):
            self._control.send(PLACER.encode(Ready()))
        while self._turn():
            pass
        self._save()
        self._workers.close()

    def _turn(self) -> bool:
        ready = [descriptor for descriptor, _ in self._poll.poll(self._patience)]
        batch = self._placed(ready)
        self._workers.answer(batch.asked)
        self._lend(batch.openings)
        self._keep_up()
        if self._rows.news():
            # Without room it is told with the next: the supervisor asks after each firing as well.
            with contextlib.suppress(OSError):
                self._control.send_now(PLACER.encode(FiringsDue()))
        return self._control.fileno() not in ready or self._hear()

    @property
    def _patience(self) -> float | None:
        """How long to wait for somebody who asks, in milliseconds."""
        if self._save_at == math.inf:
            return None
        return max(self._save_at - time.monotonic(), 0) * 1000

    def _placed(self, ready: Sequence[int]) -> Batch:
        """What waited; each message has its reply."""
        batch = self._workers.take(ready)
        try:
            if batch.asked:
                self._committer.commit(batch.jobs)
        finally:
            close_all(batch.descriptors)
        return batch

    def _lend(self, openings: Sequence[tuple[Worker, Opening]]) -> None:
        """Open what was asked for, which may have been placed by the same batch."""
        for worker, opening in openings:
            reply, lent = self._lending.answer(opening, worker.rights.reopens, self._now())
            try:
                self._workers.reply(worker, pack_replies([reply]), lent)
            finally:
                close_all(lent)

    def _hear(self) -> bool:
        """Do what the supervisor wants; False when it is gone."""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self._control.receive_now()
                if packet is None:
                    return False
                self._heard(packet)
        return True

    def _heard(self, packet: Packet) -> None:
        message = PLACER.decode(packet.payload)
        match message:
            case Admit() if len(packet.descriptors) == 1:
                self._admit(message, packet.descriptors[0])
            case Take() if not packet.descriptors:
                self._hand_out(message)
            case Logging(level, form):
                logs.change(level, form)
            case Measure():
                metrics.WAITING.set(self._rows.waiting)
                self._tell(Measured(readings(metrics.METRICS)))
            case _:
                close_all(packet.descriptors)
                raise MalformedError("the supervisor sent the placer what it does not know")

    def _hand_out(self, take: Take) -> None:
        answer, descriptors = self._handing.answer(take)
        try:
            self._tell(answer, descriptors)
        finally:
            close_all(descriptors)

    def _tell(self, message: object, descriptors: Sequence[int] = ()) -> None:
        # Without a supervisor there is nobody to tell; what is started then counts as interrupted.
        with contextlib.suppress(ConnectionError):
            self._control.send(PLACER.encode(message), descriptors)

    def _admit(self, message: Admit, end: int) -> None:
        rule = Rule(message.uid, self._device, limit=self._largest)
        rights = Rights(message.role.folders, rule, message.role.reopens)
        self._workers.admit(Worker(message.worker, Channel.of(end, Kind.PLACING), rights))

    def _dismissed(self, worker: str, reason: str) -> None:
        # Without room or without a supervisor there is nobody to tell; the worker sees the end.
        with contextlib.suppress(OSError):
            self._control.send_now(PLACER.encode(Dismissed(worker, reason)))

    def _keep_up(self) -> None:
        """Save what is confirmed in time, also where somebody asks for something all the while."""
        # Only now: nobody waits for a hook, and everybody for an answer.
        if self._rows.awakes or time.monotonic() >= self._save_at:
            self._save()
            self._save_at = math.inf
        if not (self._rows.has_unsaved or self._desk.left_over):
            self._save_at = math.inf
        elif self._save_at == math.inf:
            self._save_at = time.monotonic() + _SAVE_SECONDS

    def _save(self) -> None:
        self._desk.clear()
        try:
            self._rows.save(self._now())
        except RowsError as failure:
            log.warning("placed mail not confirmed yet", reason=str(failure))
