"""The placer's loop: take what waits, have it made durable, answer what is, and again.

It waits for the disk, and for who asks, at one place; only rows are committed before it goes on.
"""

from __future__ import annotations

import contextlib
import select
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
from aimx.placing.descriptors import Rule
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk
from aimx.placing.handing import Handing
from aimx.placing.job import Rights
from aimx.placing.lending import Lending
from aimx.placing.rows import Rows, RowsError
from aimx.placing.workers import Batch, Worker, Workers

_MOST_JOBS = 256  # On the way.
_MOST_OPENINGS = 64  # Likewise: placing goes first.
_MOST_DESCRIPTORS = 1024  # Passed with what is on the way.
_SAVE_MILLISECONDS = 1000  # How long what is confirmed may wait for a transaction.
# How long nobody else is listened to while files of a batch are flushed. Whoever is asked at once
# has asked for little, and small batches take more of the processors than they save of the time.
_GATHER_SECONDS = 0.01

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
        self._openings: list[tuple[Worker, Opening]] = []
        self._full = _polling(desk.disk, control)  # While there is no room for more.
        self._all = _polling(desk.disk, control)
        self._workers = Workers(self._all, self._dismissed)

    def serve(self) -> None:
        """Return when the control channel ends: all answered that was taken, everything saved."""
        # A supervisor that died while this began is seen to be gone by the first turn.
        with contextlib.suppress(ConnectionError):
            self._control.send(PLACER.encode(Ready()))
        while self._turn():
            pass
        self._workers.answer(self._committer.finish())
        self._lend()
        self._save()
        self._workers.close()

    def _turn(self) -> bool:
        batch = self._batch()
        has_new_names = self._committer.has_new_names
        waiting = self._full if batch.is_full else self._all
        ready = [descriptor for descriptor, _ in waiting.poll(self._patience)]
        if self._desk.disk.fileno() in ready:
            self._desk.disk.clear()
            self._workers.answer(self._committer.advance())
        self._place(ready, batch)
        if has_new_names and not batch.jobs:
            # Nobody had a message in time to be written meanwhile, whatever else was asked for.
            self._workers.answer(self._committer.rest())
        elif not ready:
            self._save()
        self._lend()
        if self._rows.awakes:
            # Only now: nobody waits for a hook, and everybody for an answer.
            self._save()
        if self._rows.news():
            # Without room it is told with the next: the supervisor asks after each firing as well.
            with contextlib.suppress(OSError):
                self._control.send_now(PLACER.encode(FiringsDue()))
        return self._control.fileno() not in ready or self._hear()

    @property
    def _patience(self) -> int | None:
        """How long to wait for somebody who asks, in milliseconds."""
        if self._committer.has_new_names:
            return 0
        return _SAVE_MILLISECONDS if self._rows.has_unsaved or self._desk.left_over else None

    def _batch(self) -> Batch:
        """An empty one, with the room that is left."""
        jobs = self._committer.on_the_way
        return Batch(
            most_jobs=_MOST_JOBS - len(jobs),
            most_descriptors=_MOST_DESCRIPTORS - sum(len(job.descriptors) for job in jobs),
            most_openings=_MOST_OPENINGS - len(self._openings),
        )

    def _place(self, ready: Sequence[int], batch: Batch) -> None:
        try:
            self._workers.take(ready, batch)
            if batch.jobs:
                self._committer.begin(batch.jobs)
        finally:
            close_all(batch.descriptors)
        self._openings += batch.openings
        if batch.jobs:
            # Names that are durable by now are not kept waiting for the files of others.
            self._workers.answer(self._committer.advance())
            self._workers.answer(self._committer.advance(_GATHER_SECONDS))

    def _lend(self) -> None:
        """Open what was asked for, but for what may still be taken back."""
        openings, self._openings = self._openings, []
        for worker, opening in openings:
            if self._committer.concerns(opening.fingerprint):
                self._openings.append((worker, opening))
                continue
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

    def _save(self) -> None:
        self._desk.clear()
        try:
            self._rows.save(self._now())
        except RowsError as failure:
            log.warning("placed mail not confirmed yet", reason=str(failure))


def _polling(*ends: Channel | Disk) -> select.poll:
    poll = select.poll()
    for end in ends:
        poll.register(end.fileno(), select.POLLIN)
    return poll
