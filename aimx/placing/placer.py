"""The placer's loop: wait, take all that waits, commit it together, answer, and again.

It blocks, and does one thing at a time: the disk is what it waits for.
"""

from __future__ import annotations

import contextlib
import select
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from aimx import logs
from aimx.channel.control import Logging, Measure, Measured
from aimx.channel.frames import Opening, Reply, pack_replies, unpack_request
from aimx.channel.packets import Channel, Kind, MalformedError, Packet, close_all
from aimx.metrics import table as metrics
from aimx.metrics.totals import readings
from aimx.placing.batch import Committer, Job, Rights
from aimx.placing.control import PLACER, Admit, Dismissed, FiringsDue, Ready, Take
from aimx.placing.descriptors import Rule
from aimx.placing.handing import Handing
from aimx.placing.lending import Lending
from aimx.placing.rows import Rows, RowsError
from desired.frozen import frozen

_MOST_JOBS = 256  # A batch.
_MOST_OPENINGS = 64  # Likewise: placing goes first.
_MOST_DESCRIPTORS = 1024  # Passed in a batch; one more message may begin below that.
_SAVE_MILLISECONDS = 1000  # How long what is confirmed may wait for a transaction.
_ANSWER_MILLISECONDS = 1000  # How long a worker may leave its socket full of replies.

log = structlog.get_logger()


@frozen
class Worker:
    """One end that asks, and what it may ask."""

    name: str
    channel: Channel
    rights: Rights


@dataclass(slots=True)
class Batch:
    """What waited at one moment, and who waits for the answers."""

    jobs: list[tuple[Worker, Job]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    openings: list[tuple[Worker, Opening]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return (
            len(self.jobs) >= _MOST_JOBS
            or len(self.descriptors) >= _MOST_DESCRIPTORS
            or len(self.openings) >= _MOST_OPENINGS
        )


class Placer:
    """Serves the workers that the supervisor admits, until the supervisor goes."""

    def __init__(
        self,
        control: Channel,
        committer: Committer,
        rows: Rows,
        handing: Handing,
        lending: Lending,
        *,
        device: int,
        largest: int,
        now: Callable[[], datetime],
    ) -> None:
        self._control = control
        self._handing = handing
        self._lending = lending
        self._committer = committer
        self._rows = rows
        self._device = device
        self._largest = largest
        self._now = now
        self._workers: dict[int, Worker] = {}
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def serve(self) -> None:
        """Return when the control channel ends: after the batch, with everything saved."""
        # A supervisor that died while this began is seen to be gone by the first turn.
        with contextlib.suppress(ConnectionError):
            self._control.send(PLACER.encode(Ready()))
        while self._turn():
            pass
        self._save()

    def _turn(self) -> bool:
        timeout = _SAVE_MILLISECONDS if self._rows.has_unsaved else None
        ready = [descriptor for descriptor, _ in self._poll.poll(timeout)]
        if not ready:
            self._save()
        batch = self._take([self._workers[fd] for fd in ready if fd in self._workers])
        try:
            self._committer.commit([job for _, job in batch.jobs])
        finally:
            close_all(batch.descriptors)
        self._answer(batch)
        self._lend(batch)
        if self._rows.awakes:
            # Only now: nobody waits for a hook, and everybody for an answer.
            self._save()
        if self._rows.news():
            # Without room it is told with the next: the supervisor asks after each firing as well.
            with contextlib.suppress(OSError):
                self._control.send_now(PLACER.encode(FiringsDue()))
        return self._control.fileno() not in ready or self._hear()

    def _take(self, ready: list[Worker]) -> Batch:
        """All that waits, one from each in turn, so that nobody keeps another one waiting."""
        batch, asking = Batch(), deque(ready)
        while asking and not batch.is_full:
            worker = asking.popleft()
            if self._take_one(worker, batch):
                asking.append(worker)
        return batch

    def _take_one(self, worker: Worker, batch: Batch) -> bool:
        """Whether there may be more of this worker."""
        try:
            packet = worker.channel.receive_now()
            if packet is None:
                self._forget(worker)
                return False
            batch.descriptors += packet.descriptors
            request = unpack_request(packet.payload, len(packet.descriptors))
        except BlockingIOError:
            return False
        except MalformedError as failure:
            self._dismiss(worker, str(failure))
            return False
        if isinstance(request, Opening):
            batch.openings.append((worker, request))
        else:
            batch.jobs.append((worker, Job(request, packet.descriptors, worker.rights)))
        return True

    def _answer(self, batch: Batch) -> None:
        replies: dict[int, list[Reply]] = {}
        for worker, job in batch.jobs:
            if job.reply is not None:
                replies.setdefault(id(worker), []).append(job.reply)
        for worker in {id(worker): worker for worker, _ in batch.jobs}.values():
            self._reply(worker, pack_replies(replies[id(worker)]))

    def _lend(self, batch: Batch) -> None:
        for worker, opening in batch.openings:
            reply, lent = self._lending.answer(opening, worker.rights.reopens, self._now())
            try:
                self._reply(worker, pack_replies([reply]), lent)
            finally:
                close_all(lent)

    def _reply(self, worker: Worker, payload: bytes, lent: Sequence[int] = ()) -> None:
        if worker.channel.fileno() not in self._workers:
            return  # It went while its batch was on the way; its clients got no 250.
        # One that is gone is forgotten once all that it had asked for is taken.
        with contextlib.suppress(ConnectionError):
            try:
                worker.channel.send_now(payload, lent)
            except BlockingIOError:
                self._reply_late(worker, payload, lent)

    def _reply_late(self, worker: Worker, payload: bytes, lent: Sequence[int]) -> None:
        """Everybody waits while this worker does not read, so it has little time to begin."""
        room = select.poll()
        room.register(worker.channel.fileno(), select.POLLOUT)
        room.poll(_ANSWER_MILLISECONDS)
        try:
            worker.channel.send_now(payload, lent)
        except BlockingIOError:
            self._dismiss(worker, "it does not read its replies")

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
        worker = Worker(
            name=message.worker,
            channel=Channel.of(end, Kind.PLACING),
            rights=Rights(
                message.role.folders,
                Rule(message.uid, self._device, limit=self._largest),
                message.role.reopens,
            ),
        )
        self._workers[worker.channel.fileno()] = worker
        self._poll.register(worker.channel.fileno(), select.POLLIN)

    def _dismiss(self, worker: Worker, reason: str) -> None:
        log.error("worker dismissed", worker=worker.name, reason=reason)
        self._forget(worker)
        # Without room or without a supervisor there is nobody to tell; the worker sees the end.
        with contextlib.suppress(OSError):
            self._control.send_now(PLACER.encode(Dismissed(worker.name, reason)))

    def _forget(self, worker: Worker) -> None:
        self._poll.unregister(worker.channel.fileno())
        del self._workers[worker.channel.fileno()]
        worker.channel.close()

    def _save(self) -> None:
        try:
            self._rows.save(self._now())
        except RowsError as failure:
            log.warning("placed mail not confirmed yet", reason=str(failure))
