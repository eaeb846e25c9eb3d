"""One running process of the engine, as the supervisor sees it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from subprocess import Popen
from typing import Any, TypeAlias

import structlog

from aimx.channel.attached import Attached
from aimx.channel.control import Committed, Departures, Leave, Prepared, Ready, Refused
from aimx.channel.departures import Departed, departures
from aimx.channel.messages import Vocabulary
from aimx.channel.packets import Channel, Packet
from aimx.metrics import table as metrics
from reconcilers.host.host import Account

log = structlog.get_logger()

Answer: TypeAlias = Ready | Prepared | Refused | Committed


class WorkerGoneError(Exception):
    """The process ended before it answered."""


class SilentError(Exception):
    """The process said nothing in time."""


@dataclass(slots=True, eq=False)
class Worker:
    """A process, the channel to it, and what it was asked last.

    `heard` gets every message that is no answer to `ask`; `gone` is called once, when it died.
    """

    role: str
    user: Account  # Whom it runs as.
    process: Popen[bytes]
    speaks: Vocabulary
    understands: Vocabulary
    heard: Callable[[Worker, Any], None]
    gone: Callable[[Worker], None]
    connections: Counter[str] = field(default_factory=Counter)  # By peer; inbound alone.
    _control: Attached = field(init=False)
    _departed: Departed | None = None  # Inbound alone.
    _asked: asyncio.Future[Answer] | None = None
    _leaving: bool = False
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """What the placer calls it."""
        return f"{self.role}-{self.process.pid}"

    async def arrived(self, channel: Channel, seconds: float) -> None:
        """Wait until it has said on its new channel that it is ready; raises as `ask`."""
        answer = self._expect()
        self._control = Attached(channel, self._received, self._ended)
        await self._within(answer, seconds)

    async def ask(self, message: object, descriptors: Sequence[int], seconds: float) -> Answer:
        """Say something and wait for the answer; raises `WorkerGoneError` or `SilentError`."""
        answer = self._expect()
        await self.tell(message, descriptors)
        return await self._within(answer, seconds)

    async def tell(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Say something; raises `WorkerGoneError`. The descriptors stay the caller's."""
        try:
            await self._control.send(self.understands.encode(message), descriptors)
        except ConnectionError:
            raise WorkerGoneError(f"{self.role} is gone") from None

    def post(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """`tell`, without waiting where it does not read: for what cannot become much."""
        try:
            self._control.post(self.understands.encode(message), descriptors)
        except ConnectionError:
            raise WorkerGoneError(f"{self.role} is gone") from None

    async def connect_departures(self) -> None:
        """Give it a pipe for who leaves; raises as `tell`."""
        self._departed, theirs = departures()
        try:
            await self.tell(Departures(), (theirs,))
        finally:
            os.close(theirs)

    def left(self) -> list[str]:
        """Which clients have left it since this was asked last; raises `MalformedError`."""
        return [] if self._departed is None else self._departed.read()

    def break_off(self, reason: str) -> None:
        """It broke the rules: as if its channel had ended."""
        self._control.close()
        self._ended(reason)

    def end(self) -> None:
        """Kill it. `gone` is not called."""
        self._control.close()
        self._close_departures()
        self._break("was ended")
        self.process.kill()
        self.process.wait()

    async def leave(self, seconds: float) -> None:
        """Let it finish what it has in hand and end by itself, or end it."""
        self._leaving = True
        with suppress(WorkerGoneError):
            await self.tell(Leave())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)
        self.end()

    def _expect(self) -> asyncio.Future[Answer]:
        """Expect an answer from now on, since it may come before we wait for it."""
        self._asked = asyncio.get_running_loop().create_future()
        return self._asked

    async def _within(self, answer: asyncio.Future[Answer], seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise SilentError(f"{self.role} did not answer within {seconds:.0f} s") from None
        finally:
            self._asked = None

    def _received(self, packet: Packet) -> None:
        match message := self.speaks.decode(packet.payload):
            case Ready() | Prepared() | Refused() | Committed():
                if self._asked is not None and not self._asked.done():
                    self._asked.set_result(message)
            case _:
                self.heard(self, message)

    def _close_departures(self) -> None:
        if self._departed is not None:
            self._departed.close()
            self._departed = None

    def _ended(self, reason: str) -> None:
        self._gone.set()
        if self._leaving:
            return
        self.process.kill()
        code = self.process.wait()
        metrics.DEATHS.count(self.role)
        self._close_departures()
        log.error("process died", role=self.role, pid=self.process.pid, code=code, reason=reason)
        self._break("died")
        self.gone(self)

    def _break(self, how: str) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(WorkerGoneError(f"{self.role} {how}"))
