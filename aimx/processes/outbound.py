"""The outbound process: submitted messages, signed with keys that only it holds, delivered.

It keeps the queue. Delivering at once and by and by go the same way out.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from aimx.channel import trace
from aimx.channel.control import (
    FROM_OUTBOUND,
    TO_OUTBOUND,
    Answered,
    Attempted,
    Forbidden,
    OutboundSecrets,
    Permitted,
    QueueWish,
    Submission,
)
from aimx.channel.packets import Channel, close_all
from aimx.metrics.table import OLDEST, QUEUED
from aimx.outbound.counted import Counted
from aimx.outbound.deliver import Direct
from aimx.outbound.delivery import Deliverer
from aimx.outbound.directly import Directly
from aimx.outbound.drop import MailDrop
from aimx.outbound.limits import Limits
from aimx.outbound.queue.census import census
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.postman import Rules
from aimx.outbound.queue.service import Queue, Surroundings
from aimx.outbound.relayed import Relayed
from aimx.outbound.session import Manners
from aimx.outbound.sessions import Sessions
from aimx.outbound.signers import Signers
from aimx.outbound.signing_key import KeyUnusableError
from aimx.outbound.submit import Sending
from aimx.outbound.tally import Tally
from aimx.placing.client import PlacingClient
from aimx.processes import letterbox
from aimx.processes.asking import Asking
from aimx.processes.lazy import DNS
from aimx.processes.letterbox import Letterbox
from aimx.processes.permission import Permissions
from aimx.processes.post import Post, UnloadableError
from aimx.processes.sent import Keeping
from aimx.processes.start import Arrival, run, settle_in
from aimx.processes.steering import Desk
from aimx.processes.tenure import hold
from aimx.snapshot import Snapshot
from desired.frozen import frozen
from desired.relay import Relay

# Names a directory that gets what would be sent.
_REHEARSAL = "AIMX_TEST_MAIL_DROP"
# Seconds that a host has to answer a message that has left: where somebody waits for us to leave,
# and where nobody does but whoever comes next.
_ANSWERED, _LATE = 20.0, 2.0
_LOOK = 0.5  # Seconds to count what waits in.

log = structlog.get_logger()


@frozen
class Generation:
    """What a message is sent under."""

    sending: Sending
    snapshot: Snapshot
    rules: Rules


class Outbound:
    """What is handed in and wished for, and the queue."""

    def __init__(self, control: Channel, directory: int) -> None:
        """The directory is outbound's own: for its queue, and what is too large for a packet."""
        self._directory = _path(directory)
        self._placements = PlacingClient(directory)
        self._tally = Tally(self._directory)
        self._queue = self._made()
        self._serving: asyncio.Task[None] | None = None
        self._resolver = Asking()
        self._signers = Signers()
        self._sessions = Sessions()
        self._tasks: set[asyncio.Task[None]] = set()
        self._post: Post[Generation] = Post(
            control,
            speaks=FROM_OUTBOUND,
            understands=TO_OUTBOUND,
            load=self._load,
            placements=self._placements,
            heard=self._heard,
            swapped=self._swapped,
            looked=self._looked,
        )
        self._permissions = Permissions(self._post.say)
        permitted = self._permissions.ask
        self._desk = Desk(self._queue, lambda: self._post.current.snapshot, permitted)
        self._letterbox = Letterbox(lambda: self._post.current.sending, permitted)

    def _made(self) -> Queue:
        around = Surroundings(
            placements=self._placements,
            snapshot=lambda: self._post.current.snapshot,
            rules=lambda: self._post.current.rules,
            tell=self._tell,
            clock=lambda: _now().timestamp(),
        )
        return Queue(self._directory, str(uuid.uuid4()), around)

    async def run(self) -> None:
        """Serve until told to leave, then finish what is in hand."""
        await self._post.arrived()
        waits = [asyncio.create_task(e.wait()) for e in (self._post.leaving, self._post.gone)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if self._serving is not None:
            self._serving.cancel()
        await self._queue.leave(_LATE if self._post.gone.is_set() else _ANSWERED)
        if self._post.gone.is_set():
            # Nobody hears their answers any more, and what they need is about to be closed.
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._queue.close()
        await asyncio.to_thread(self._tally.close)
        if not self._post.gone.is_set():
            await self._sessions.close()
            await self._post.part()

    async def _looked(self) -> None:
        """How much waits; where the disk does not say so in time, what it said last is told."""
        with suppress(QueueError, TimeoutError):
            async with asyncio.timeout(_LOOK):
                counted = await asyncio.to_thread(census, self._directory)
                now = _now().timestamp()
                for state, (number, oldest) in counted.items():
                    QUEUED.set(number, state)
                    OLDEST.set(max(now - oldest, 0.0) if number else 0, state)

    def _tell(self, attempted: Attempted) -> None:
        self._post.post(attempted)

    def _swapped(self) -> None:
        """With the first generation the queue begins, and with each next one it looks again."""
        loop = asyncio.get_running_loop()
        if self._serving is None:
            self._serving = loop.create_task(self._queue.serve())
            self._serving.add_done_callback(self._served)
        else:
            self._spawn(self._queue.renewed())

    def _served(self, serving: asyncio.Task[None]) -> None:
        if not serving.cancelled() and serving.exception() is not None:
            log.critical("the queue ended", reason=str(serving.exception()))
            self._post.gone.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _load(self, snapshot: Snapshot, secrets: bytes) -> Generation:
        """Each new key signs and verifies once; one that is known costs nothing."""
        told = OutboundSecrets.from_bytes(secrets)
        try:
            signers = self._signers.of(told.keys, snapshot.signing)
        except KeyUnusableError as cause:
            raise UnloadableError(str(cause)) from cause
        deliverer = Counted(self._deliverer(snapshot, told.relay_password))
        keeping = Keeping(snapshot, self._placements, self._post.post)
        directly = Directly(deliverer, keeping.keep, self._queue.keys, keeping.unkept)
        sending = Sending(
            snapshot=snapshot,
            signers=signers,
            dispatch=self._queue.dispatch if snapshot.delivery.queues else directly.dispatch,
            limits=Limits(self._tally, snapshot),
            clock=_now,
            message_id=lambda domain: f"{uuid.uuid4()}@{domain}",
        )
        return Generation(sending, snapshot, Rules(deliverer, snapshot.delivery.max_age))

    def _deliverer(self, snapshot: Snapshot, password: str) -> Deliverer:
        """To the hosts that the DNS names, or to the relay; for rehearsals into a directory."""
        if directory := os.environ.get(_REHEARSAL):
            return MailDrop(Path(directory), _now)
        delivery, resolver = snapshot.delivery, self._resolver.of(snapshot)
        if delivery.relay:
            return Relayed(
                Relay.parse(delivery.relay),
                resolver,
                hostname=snapshot.hostname,
                timeout=delivery.timeout,
                ipv6=delivery.ipv6,
                password=password,
                sessions=self._sessions,
            )
        return Direct(
            resolver,
            Manners(hostname=snapshot.hostname, port=delivery.port, timeout=delivery.timeout),
            ipv6=delivery.ipv6,
            sessions=self._sessions,
        )

    def _heard(
        self,
        message: Submission | QueueWish | Permitted | Forbidden,
        descriptors: tuple[int, ...],
    ) -> None:
        match message:
            case QueueWish():
                close_all(descriptors)
                self._spawn(self._steer(message))
            case Submission():
                self._begin(message, descriptors)
            case Permitted(number):
                self._permissions.decide(number, allowed=True)
            case Forbidden(number):
                self._permissions.decide(number, allowed=False)

    def _begin(self, submission: Submission, descriptors: tuple[int, ...]) -> None:
        try:
            content = letterbox.content(submission, descriptors)
        finally:
            close_all(descriptors)
        self._spawn(self._submit(submission, content))

    async def _steer(self, wish: QueueWish) -> None:
        try:
            answered = await self._desk.answer(wish)
        except Exception:
            mark = trace.fresh()
            log.exception("the queue was not asked", trace=mark)
            answered = Answered(wish.number, "IO", f"internal error; the log has it under {mark}")
        await self._answer(answered)

    async def _submit(self, submission: Submission, content: bytes) -> None:
        number = submission.number
        try:
            answered = await self._letterbox.answer(submission, content)
        except Exception:
            log.exception("message not sent", trace=submission.trace)
            told = f"internal error; the log has it under {submission.trace}"
            answered = Answered(number, "IO", told)
        await self._answer(answered)

    async def _answer(self, answered: Answered) -> None:
        """Whatever it is, somebody waits for it."""
        try:
            await self._post.say(answered)
        except ValueError as cause:
            log.error("an answer fits into no packet", reason=str(cause))
            await self._post.say(replace(answered, code="IO", text="the answer is too large"))


def _path(directory: int) -> Path:
    """Databases are opened by path, since SQLite makes its log beside them."""
    return Path(f"/proc/self/fd/{directory}").readlink()


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    run("outbound", serve)


def serve(arrival: Arrival) -> None:
    settle_in(arrival, (*DNS, "idna"))
    hold(arrival.descriptors["spool"])
    asyncio.run(_serve(arrival))


async def _serve(arrival: Arrival) -> None:
    if directory := os.environ.get(_REHEARSAL):
        log.warning("no mail leaves: it is written into a directory", directory=directory)
    await Outbound(arrival.channel("control"), arrival.descriptors["spool"]).run()


if __name__ == "__main__":
    main()
