"""The resolver that the engine shares: it asks over the network, once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import TypeAlias

import dns.exception

from aimx.metrics.table import ASKING, CACHED, QUERIES
from aimx.verify import answers
from aimx.verify.answers import Elsewhere, Reading
from aimx.verify.exchange import Lines, MismatchError, question
from aimx.verify.expiring import Expiring
from aimx.verify.nameservers import SystemServers
from aimx.verify.patience import Patience
from aimx.verify.resolver import Answer, NoAnswer, NoRecord, Records
from desired.quantities import Endpoint

KEPT = 32 * 1024 * 1024  # Octets of answers in memory: strangers choose how long theirs are.
WEIGHT = 256  # Octets for an answer, and for each record in it, besides its text.
AT_ONCE = 200  # Questions on the wire; each has a descriptor.
ROUNDS = 2  # How often each server is asked before we give up.
LONGEST_CHAIN = 8  # CNAMEs that lead out of one message into the next.
# RFC 2308 7 allows five minutes. A few seconds spare a failing server the same question from
# each signature of a message, and are over when the sender tries again.
NO_ANSWER_SECONDS = 5
IMPOSSIBLE_SECONDS = 3600  # A name that cannot be asked for will not turn up.
# RFC 1035 3.2.1: with a lifetime of zero it is good for what goes on just now, and that first
# foresees it and then looks it up.
AT_LEAST = 1
# Times the timeout: a look-up may have to wait for its turn, and CNAMEs may lead on.
LONGEST = 2

Key: TypeAlias = tuple[str, str]  # Name and record.

_OUTCOMES = {Records: "records", NoRecord: "no_record", NoAnswer: "no_answer"}


# What was asked for one message, by whoever works on it.
_answered: ContextVar[dict[Key, Answer] | None] = ContextVar("answered", default=None)


def ask_once() -> None:
    """From here on the running task, and what it starts, asks no question twice.

    RFC 1035 3.2.1: also an answer without a lifetime is good for what goes on just now.
    """
    _answered.set({})


class CachingResolver:
    """Asks `resolvers` ("address:port"; none: the system's) and keeps answers for their TTL.

    `system` tells which those are, each time that something is asked. One event loop's. One that
    is replaced is released, and left to its last answers; `close` is for the end of the loop.
    """

    def __init__(
        self,
        resolvers: Iterable[str] = (),
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        system: Callable[[], tuple[Endpoint, ...]] | None = None,
    ) -> None:
        self._named = tuple(map(Endpoint.parse, resolvers))
        self._system = system or SystemServers()
        self._servers, self._timeout = self._named or self._system(), timeout
        self._kept: Expiring[Key, Answer] = Expiring(KEPT, clock)
        self._asking: dict[Key, asyncio.Task[Answer]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._lines = self._begun()
        self._released = False
        self._patience = Patience(timeout * LONGEST)

    def foresee(self, name: str, record: str) -> None:
        key, answered = _key(name, record), _answered.get()
        if answered is not None and key in answered:
            return
        if key not in self._asking and self._kept.get(key) is None:
            self._begin(key)

    async def lookup(self, name: str, record: str) -> Answer:
        key, answered = _key(name, record), _answered.get()
        if answered is None:
            return self._known(key) or await self._answer(key)
        if key not in answered:
            # Also where whoever waits is given up on: it would take as long once more.
            answer: Answer = NoAnswer(f"{record} of {name}: it was not waited for")
            try:
                answer = self._known(key) or await self._answer(key)
            finally:
                answered.setdefault(key, answer)
        return answered[key]

    def _known(self, key: Key) -> Answer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        CACHED.count()
        return _aged(*found)

    async def _answer(self, key: Key) -> Answer:
        name, record = key
        task = self._asking.get(key) or self._begin(key)
        # Of one's own: a caller who is cancelled does not take the answer from the others.
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        task.add_done_callback(partial(_tell, answer))
        self._patience.watch(answer)
        try:
            return await answer
        except TimeoutError:
            return NoAnswer(f"{record} of {name}: it took more than {self._patience.seconds:g} s")

    def release(self) -> None:
        """Hold no socket but those of open questions. From any thread."""
        self._released = True
        self._lines.release()

    async def close(self) -> None:
        """Give up what is still being asked: it gets no answer."""
        self._lines.close()
        asking = tuple(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _begin(self, key: Key) -> asyncio.Task[Answer]:
        task = self._asking[key] = asyncio.create_task(self._find(*key))
        task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _find(self, name: str, record: str) -> Answer:
        begun = time.monotonic()
        answer = await self._follow(name, record)
        ASKING.observe(time.monotonic() - begun)
        QUERIES.count(_OUTCOMES[type(answer)])
        seconds = NO_ANSWER_SECONDS if isinstance(answer, NoAnswer) else max(answer.ttl, AT_LEAST)
        self._kept.put((name, record), answer, seconds, _weight(answer))
        return answer

    async def _follow(self, name: str, record: str) -> Answer:
        for _ in range(LONGEST_CHAIN):
            try:
                asked = question(name, record)
            except (dns.exception.DNSException, UnicodeError):
                return NoRecord(exists=False, ttl=IMPOSSIBLE_SECONDS)
            reading = await self._ask(asked)
            if isinstance(reading, NoAnswer):
                return NoAnswer(f"{record} of {name}: {reading.reason}")
            if not isinstance(reading, Elsewhere):
                return reading
            name = reading.name
        return NoAnswer(f"more than {LONGEST_CHAIN} CNAMEs lead on from {name}")

    def _to_those_of_now(self) -> Lines:
        servers = self._named or self._system()
        if servers != self._servers:
            self._lines.close()
            self._servers = servers
            self._lines = self._begun()
            if self._released:
                self._lines.close()
        return self._lines

    def _begun(self) -> Lines:
        return Lines(self._timeout / (ROUNDS * len(self._servers)))

    async def _ask(self, asked: bytes) -> Reading:
        """The first server that can say, each asked in turn and then once more."""
        reason = ""
        lines = self._to_those_of_now()
        for server in self._servers * ROUNDS:
            try:
                async with self._at_once:
                    message = await lines.ask(server, asked)
            except TimeoutError:
                reason = f"{server} did not answer in {lines.seconds:g} s"
                continue
            except MismatchError as trouble:
                reason = f"{server}: {trouble}"
                continue
            except OSError as trouble:
                reason = f"{server}: {trouble.strerror or trouble}"
                continue
            reading = answers.read(message)
            if not isinstance(reading, NoAnswer):
                return reading
            reason = f"{server}: {reading.reason}"
        return NoAnswer(reason)


def _tell(answer: asyncio.Future[Answer], task: asyncio.Task[Answer]) -> None:
    if answer.done():
        return
    if task.cancelled():
        answer.set_result(NoAnswer("the resolver was closed"))
    elif fault := task.exception():
        answer.set_exception(fault)
    else:
        answer.set_result(task.result())


def _key(name: str, record: str) -> Key:
    return name.lower().removesuffix("."), record


def _weight(answer: Answer) -> int:
    if not isinstance(answer, Records):
        return WEIGHT
    return WEIGHT * (1 + len(answer.values)) + sum(map(len, answer.texts))


def _aged(answer: Answer, left: float) -> Answer:
    match answer:
        case Records(values):
            return Records(values, int(left))
        case NoRecord(exists):
            return NoRecord(exists, int(left))
        case _:
            return answer
