"""Those that ask: what waits is taken from all of them, and each gets its replies."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from aimx.channel.frames import pack_replies, unpack_request
from aimx.channel.packets import Channel, MalformedError
from aimx.channel.placing import Opening, Reply
from aimx.placing.job import Job, Rights
from desired.frozen import frozen

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
    """What waited at one moment, as far as there is room."""

    most_jobs: int
    most_descriptors: int  # One more message may begin below that.
    most_openings: int
    jobs: list[Job] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    openings: list[tuple[Worker, Opening]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return (
            len(self.jobs) >= self.most_jobs
            or len(self.descriptors) >= self.most_descriptors
            or len(self.openings) >= self.most_openings
        )


class Workers:
    """All that were admitted and have neither left nor broken the rules."""

    def __init__(self, poll: select.poll, dismissed: Callable[[str, str], None]) -> None:
        """Where they are waited for; and who is told which one was sent away, and why."""
        self._poll = poll
        self._dismissed = dismissed
        self._workers: dict[int, Worker] = {}
        self._asked: dict[Job, Worker] = {}

    def admit(self, worker: Worker) -> None:
        self._workers[worker.channel.fileno()] = worker
        self._poll.register(worker.channel.fileno(), select.POLLIN)

    def close(self) -> None:
        """Nobody is served any more."""
        for worker in tuple(self._workers.values()):
            self._forget(worker)

    def take(self, ready: Iterable[int], batch: Batch) -> None:
        """Fill it, with one from each in turn, so that nobody keeps another one waiting."""
        asking = deque(self._workers[each] for each in ready if each in self._workers)
        while asking and not batch.is_full:
            worker = asking.popleft()
            if self._take_one(worker, batch):
                asking.append(worker)

    def answer(self, jobs: Iterable[Job]) -> None:
        """Tell each worker what became of its own, in one packet."""
        replies: dict[int, list[Reply]] = {}
        told: dict[int, Worker] = {}
        for job in jobs:
            worker = self._asked.pop(job)
            assert job.reply is not None
            told[id(worker)] = worker
            replies.setdefault(id(worker), []).append(job.reply)
        for number, worker in told.items():
            self.reply(worker, pack_replies(replies[number]))

    def reply(self, worker: Worker, payload: bytes, lent: Sequence[int] = ()) -> None:
        """The descriptors stay the caller's."""
        if self._workers.get(worker.channel.fileno()) is not worker:
            return  # It went while its batch was on the way; its clients got no 250.
        if _is_sent(worker, payload, lent):
            return
        # Everybody waits while this worker does not read, so it has little time to begin.
        room = select.poll()
        room.register(worker.channel.fileno(), select.POLLOUT)
        room.poll(_ANSWER_MILLISECONDS)
        if not _is_sent(worker, payload, lent):
            self._dismiss(worker, "it does not read its replies")

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
            job = Job(request, packet.descriptors, worker.rights)
            self._asked[job] = worker
            batch.jobs.append(job)
        return True

    def _dismiss(self, worker: Worker, reason: str) -> None:
        log.error("worker dismissed", worker=worker.name, reason=reason)
        self._forget(worker)
        self._dismissed(worker.name, reason)

    def _forget(self, worker: Worker) -> None:
        self._poll.unregister(worker.channel.fileno())
        del self._workers[worker.channel.fileno()]
        worker.channel.close()


def _is_sent(worker: Worker, payload: bytes, lent: Sequence[int]) -> bool:
    """False where its socket is full, or too many descriptors are on their way already."""
    try:
        worker.channel.send_now(payload, lent)
    except ConnectionError:
        pass  # One that is gone is forgotten once all that it had asked for is taken.
    except OSError:
        return False
    return True
