"""Those that ask: what waits is taken from all of them, and each gets its replies."""

from __future__ import annotations

import select
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from aimx.channel.frames import pack_replies, unpack_request
from aimx.channel.packets import Channel, MalformedError, close_aside, require_files
from aimx.channel.placing import Opening, Reply
from aimx.placing.job import Job, Rights

_MOST_JOBS = 256  # In a batch.
_MOST_OPENINGS = 64  # Likewise: placing goes first.
_MOST_DESCRIPTORS = 1024  # Passed with a batch; one more message may begin below that.
_ANSWER_SECONDS = 1.0  # How long a worker may leave its socket full of a batch's replies.

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Worker:
    """One end that asks, and what it may ask."""

    name: str
    channel: Channel
    rights: Rights
    waited: float = 0.0  # Seconds for which all others waited for it since the last batch.


@dataclass(slots=True)
class Batch:
    """What waited at one moment, as far as there is room."""

    asked: list[tuple[Worker, Job]] = field(default_factory=list)
    openings: list[tuple[Worker, Opening]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def jobs(self) -> list[Job]:
        return [job for _, job in self.asked]

    @property
    def is_full(self) -> bool:
        return (
            len(self.asked) >= _MOST_JOBS
            or len(self.openings) >= _MOST_OPENINGS
            or len(self.descriptors) >= _MOST_DESCRIPTORS
        )


class Workers:
    """All that were admitted and have neither left nor broken the rules."""

    def __init__(self, poll: select.poll, dismissed: Callable[[str, str], None]) -> None:
        """Where they are waited for; and who is told which one was sent away, and why."""
        self._poll = poll
        self._dismissed = dismissed
        self._workers: dict[int, Worker] = {}

    def admit(self, worker: Worker) -> None:
        self._workers[worker.channel.fileno()] = worker
        self._poll.register(worker.channel.fileno(), select.POLLIN)

    def close(self) -> None:
        """Nobody is served any more."""
        for worker in tuple(self._workers.values()):
            self._forget(worker)

    def take(self, ready: Iterable[int]) -> Batch:
        """One from each in turn, so that nobody keeps another one waiting.

        The descriptors are the caller's to close.
        """
        batch = Batch()
        for worker in self._workers.values():
            worker.waited = 0.0
        asking = deque(self._workers[each] for each in ready if each in self._workers)
        while asking and not batch.is_full:
            worker = asking.popleft()
            if self._take_one(worker, batch):
                asking.append(worker)
        return batch

    def answer(self, asked: Iterable[tuple[Worker, Job]]) -> None:
        """Tell each worker what became of its own, in one packet."""
        replies: defaultdict[Worker, list[Reply]] = defaultdict(list)
        for worker, job in asked:
            assert job.reply is not None
            replies[worker].append(job.reply)
        for worker, told in replies.items():
            self.reply(worker, pack_replies(told))

    def reply(self, worker: Worker, payload: bytes, lent: Sequence[int] = ()) -> None:
        """The descriptors stay the caller's."""
        if self._workers.get(worker.channel.fileno()) is not worker:
            return  # It went before its batch was placed; its clients got no 250.
        if _is_sent(worker, payload, lent):
            return
        self._wait_for(worker)
        if not _is_sent(worker, payload, lent):
            self._dismiss(worker, "it does not read its replies")

    def _wait_for(self, worker: Worker) -> None:
        """Everybody waits while this worker does not read, so it has little time for all of it."""
        begun = time.monotonic()
        room = select.poll()
        room.register(worker.channel.fileno(), select.POLLOUT)
        room.poll(max(_ANSWER_SECONDS - worker.waited, 0) * 1000)
        worker.waited += time.monotonic() - begun

    def _take_one(self, worker: Worker, batch: Batch) -> bool:
        """Whether there may be more of this worker."""
        try:
            packet = worker.channel.receive_now()
            if packet is None:
                self._forget(worker)
                return False
            if packet.descriptors:
                require_files(packet.descriptors)
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
            batch.asked.append((worker, Job(request, packet.descriptors, worker.rights)))
        return True

    def _dismiss(self, worker: Worker, reason: str) -> None:
        log.error("worker dismissed", worker=worker.name, reason=reason)
        self._forget(worker)
        self._dismissed(worker.name, reason)

    def _forget(self, worker: Worker) -> None:
        self._poll.unregister(worker.channel.fileno())
        del self._workers[worker.channel.fileno()]
        close_aside(worker.channel.close)  # With what it passed and nobody took.


def _is_sent(worker: Worker, payload: bytes, lent: Sequence[int]) -> bool:
    """False where its socket is full, or too many descriptors are on their way already."""
    try:
        worker.channel.send_now(payload, lent)
    except ConnectionError:
        pass  # One that is gone is forgotten once all that it had asked for is taken.
    except OSError:
        return False
    return True
