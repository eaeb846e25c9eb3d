"""Starting what is due, as much at a time as there is room for, and saying what is over."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import structlog

from aimx.channel.control import Attempted
from aimx.channel.packets import close_all
from aimx.hooks.facts import Facts, FactsError
from aimx.hooks.queue import Queue
from aimx.metrics import table as metrics
from aimx.placing.control import Firing, Idle, Take

MOST_RUNNING = 16
MOST_OF_AN_OWNER = 4
# The other places are for owners of whom none runs: whoever comes later waits for his own alone.
SHARED = 8
# Firings without a message, which wait in memory: an attempt to send that left no copy.
MOST_OFFERED = 1000
MOST_OFFERED_OF_AN_OWNER = 100
_AGAIN_SECONDS = 5.0  # After the placer could not write, since its disk is full.
_LAST_WORD_SECONDS = 5.0  # For the placer to hear what is finished.

# Fires, with the message's descriptor, until the event is set. It tells the log itself.
Fire: TypeAlias = Callable[[Firing, int | None, asyncio.Event], Awaitable[None]]

_FULL = f"{MOST_OFFERED} firings wait already"
_OWNERS_FULL = f"{MOST_OFFERED_OF_AN_OWNER} firings of its owner's wait already"

log = structlog.get_logger()


class Dispatch:
    """The firings at work, and those that ended since the queue heard of it last."""

    def __init__(self, queue: Queue, fire: Fire) -> None:
        self._queue = queue
        self._fire = fire
        self._running: dict[int, asyncio.Task[None]] = {}
        self._owners: Counter[int] = Counter()
        self._finished: set[int] = set()
        self._offered: list[Firing] = []
        # Below zero, where the placer has no numbers.
        self._numbers = itertools.count(-1, -1)
        self._asking = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._leaving = False
        self._stopping = asyncio.Event()

    @property
    def running(self) -> int:
        """How many run now."""
        return len(self._running)

    def stir(self) -> None:
        """Something may be due, or there is a new placer to be told what runs."""
        self._stirred.set()

    def offer(self, attempted: Attempted) -> None:
        """Fire these as well. They wait in memory, and a crash loses them with the attempt."""
        for hook in attempted.hooks:
            if reason := self._full(attempted.uid):
                _tell_quiet(hook, attempted.facts, reason)
                continue
            self._offered.append(_firing(next(self._numbers), hook, attempted))
        self.stir()

    async def serve(self) -> None:
        """Until cancelled: begin what is due."""
        self.stir()
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while len(self._running) < MOST_RUNNING and await self._begin_one():
                pass

    async def leave(self, seconds: float) -> None:
        """Begin nothing any more; what runs has so long, and is ended then."""
        self._leaving = True
        for firing in self._offered:
            _tell_quiet(firing.hook, firing.facts, "aimx stops")
        self._offered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await self._begin_one()
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=seconds)
        self._stopping.set()
        await asyncio.gather(*running)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await self._begin_one()

    async def _begin_one(self) -> bool:
        """Say what is over, and ask for one that is due; whether there was one."""
        async with self._asking:
            if (offered := self._next_offered()) is not None:
                self._begin(offered, ())
                return True
            finished = frozenset(self._finished)
            answer = await self._queue.take(self._take(finished))
            if answer is None:
                return False  # Nobody has heard it; the next placer will.
            message, descriptors = answer
            if isinstance(message, Idle) and not message.recorded:
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self.stir)
                return False
            self._finished -= finished
            if not isinstance(message, Firing):
                close_all(descriptors)
                return False
            self._begin(message, descriptors)
            return True

    def _begin(self, firing: Firing, descriptors: tuple[int, ...]) -> None:
        self._owners[firing.uid] += 1
        task = asyncio.get_running_loop().create_task(self._fired(firing, descriptors))
        self._running[firing.number] = task

    def _full(self, uid: int) -> str:
        """Why nothing more of the owner's may wait; one who sends a lot leaves room for others."""
        if len(self._offered) >= MOST_OFFERED:
            return _FULL
        theirs = sum(firing.uid == uid for firing in self._offered)
        return _OWNERS_FULL if theirs >= MOST_OFFERED_OF_AN_OWNER else ""

    @property
    def _share(self) -> int:
        """How many an owner may have at work for one more of his to begin."""
        return MOST_OF_AN_OWNER if len(self._running) < SHARED else 1

    def _next_offered(self) -> Firing | None:
        for place, firing in enumerate(self._offered):
            if self._owners[firing.uid] < self._share and not self._leaving:
                return self._offered.pop(place)
        return None

    def _take(self, finished: frozenset[int]) -> Take:
        busy = [uid for uid, count in self._owners.items() if count >= self._share]
        return Take(
            running=tuple(number for number in self._running if number > 0),
            finished=tuple(finished),
            busy=tuple(busy),
            wanted=not self._leaving,
        )

    async def _fired(self, firing: Firing, descriptors: tuple[int, ...]) -> None:
        try:
            await self._fire(firing, descriptors[0] if descriptors else None, self._stopping)
        except Exception:
            # One that cannot be dealt with keeps no other one waiting.
            log.exception(
                "firing broke",
                trace=_trace(firing.facts),
                hook_name=firing.hook,
                email_id=firing.stem,
            )
        finally:
            close_all(descriptors)
            del self._running[firing.number]
            self._owners[firing.uid] -= 1
            if not self._owners[firing.uid]:
                del self._owners[firing.uid]
            if firing.number > 0:
                self._finished.add(firing.number)
            self.stir()


def _tell_quiet(hook: str, facts: str, reason: str) -> None:
    metrics.FIRINGS.count("after_send", "quiet")
    log.warning("after_send", hook="quiet", trace=_trace(facts), hook_name=hook, reason=reason)


def _trace(facts: str) -> str:
    try:
        return Facts.unpack(facts).trace
    except FactsError:
        return ""


def _firing(number: int, hook: str, attempted: Attempted) -> Firing:
    return Firing(
        number=number,
        hook=hook,
        uid=attempted.uid,
        domain=attempted.domain,
        folder="sent",
        name=attempted.name,
        stem="",
        path="",
        facts=attempted.facts,
    )
