"""The worker's side of placing: ask for a message to be placed, and wait until it is durable."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias

from aimx.channel.attached import Attached
from aimx.channel.frames import pack_opening, pack_request, unpack_replies
from aimx.channel.packets import Channel, MalformedError, Packet, close_all
from aimx.channel.placing import INLINE, Due, Folder, Opening, Outcome, Over, Reply, Request
from aimx.channel.room import Room
from aimx.placing.spool import Spool
from desired.frozen import frozen

# Open at a time for all messages on their way. The kernel lets a user have no more on the way than
# a process may have open, and several processes are the same user.
_MOST_DESCRIPTORS = 1000
_FOLDERS = {"inbox": Folder.INBOX, "sent": Folder.SENT}


class Attachment(Protocol):
    """A file beside the message."""

    @property
    def name(self) -> str: ...
    @property
    def content(self) -> bytes: ...


@frozen
class Placement:
    """One finished message, and the mailbox that it goes to."""

    domain: str
    folder: Literal["inbox", "sent"]
    name: str  # Of the mailbox's directory.
    uid: int  # Who must own that directory.
    base: str  # The stem, but for a suffix.
    rest: bytes  # The file after its `id` line.
    attachments: Sequence[Attachment] = ()
    fingerprint: bytes | None = None  # 32 octets; None: kept however often it comes.
    due: Due | None = None  # The hooks that fire once it is placed; only with a fingerprint.
    over: Over | None = None  # What it takes the place of, under that one's stem; `base` is empty.
    trace: str = ""  # What the log calls the message.

    @property
    def travels_apart(self) -> bool:
        """Whether its text is too long for a packet."""
        return len(self.rest) > INLINE

    @property
    def descriptors(self) -> int:
        """How many go with it."""
        return len(self.attachments) + self.travels_apart


@frozen
class Placed:
    """It is on disk, whole, and survives a power cut."""

    stem: str
    duplicate: bool = False  # It was placed before, under this stem, and not again.


@frozen
class NotPlaced:
    """Nothing of it is visible, as far as we know; a later try may succeed."""

    reason: str  # For the log, not for the peer.
    full: bool = False  # The quota of the mailbox's owner is exceeded.
    away: bool = False  # The mailbox was moved or retired, or is somebody else's now.
    changed: bool = False  # What it was to replace is not as it was handed out.


@frozen
class Opened:
    """What was placed before, open for reading. The descriptor is whose it is told."""

    stem: str
    descriptor: int


Placing: TypeAlias = Placed | NotPlaced
Answer: TypeAlias = asyncio.Future[Placed | NotPlaced | Opened]

_ABSENT = NotPlaced("the placer is being restarted")


class PlacingClient:
    """Lives as long as its process; the channels to the placer come and go."""

    def __init__(self, spool: int) -> None:
        """The spool's descriptor stays the caller's, who keeps it open."""
        self._spool = Spool(spool)
        self._room = Room(_MOST_DESCRIPTORS)
        self._line: Attached | None = None
        self._waiting: dict[int, Answer] = {}
        self._numbers = itertools.count()

    def connect(self, channel: Channel) -> None:
        """Ask over this channel from now on, and take it over.

        What an earlier one has not answered is not placed, as far as anybody can know.
        """
        self.close()
        waiting: dict[int, Answer] = {}
        self._waiting = waiting
        self._line = Attached(
            channel,
            received=lambda packet: _receive(packet, waiting),
            ended=lambda reason: self._end(NotPlaced(f"the placer is gone: {reason}")),
        )

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._end(_ABSENT)

    async def place(self, placement: Placement) -> Placing:
        """Returns when the message is durable, or will not become so by this request."""
        if not placement.descriptors:
            return await self._asked(placement, ())
        async with self._room.taken(placement.descriptors):
            return await self._placed(placement)

    async def open(self, opening: Opening) -> Opened | NotPlaced:
        """Open what was placed under a fingerprint. The opening's number is ours to give."""
        number = self._next()
        try:
            found = await self._answered(number, pack_opening(replace(opening, number=number)), ())
        except OSError as failure:
            return NotPlaced(f"the placer cannot be asked: {failure.strerror}")
        return NotPlaced("the placer opened nothing") if isinstance(found, Placed) else found

    async def _placed(self, placement: Placement) -> Placing:
        """With what travels in files of its own."""
        if self._line is None:
            return _ABSENT
        try:
            passed = await self._passed(placement)
        except OSError as failure:
            return NotPlaced(f"the spool cannot be written: {failure.strerror}")
        try:
            return await self._asked(placement, passed)
        finally:
            close_all(passed)

    async def _asked(self, placement: Placement, passed: Sequence[int]) -> Placing:
        if self._line is None:
            return _ABSENT
        number = self._next()
        try:
            found = await self._answered(number, pack_request(_request(number, placement)), passed)
        except ConnectionError:
            return _ABSENT
        except OSError as failure:
            return NotPlaced(f"the placer cannot be asked: {failure.strerror}")
        except MalformedError as failure:
            return NotPlaced(f"the placer would not take it: {failure}")
        if isinstance(found, Opened):
            os.close(found.descriptor)
            return NotPlaced("the placer opened what it was to place")
        return found

    def _next(self) -> int:
        return next(self._numbers) & 0xFFFFFFFF

    async def _answered(
        self, number: int, payload: bytes, passed: Sequence[int]
    ) -> Placing | Opened:
        line, waiting = self._line, self._waiting
        if line is None:
            return _ABSENT
        # Made before it is sent: the channel may end while this waits for room.
        answer: Answer = asyncio.get_running_loop().create_future()
        waiting[number] = answer
        try:
            await (line.send(payload, passed) if passed else line.send_together(payload))
        except BaseException:
            # Cancelled or refused before it was sent: there will be no reply.
            waiting.pop(number, None)
            raise
        return await answer

    async def _passed(self, placement: Placement) -> list[int]:
        contents = [attachment.content for attachment in placement.attachments]
        if placement.travels_apart:
            contents.insert(0, placement.rest)
        # In a thread: it may be a lot, and other sessions go on meanwhile.
        return await _uninterrupted(lambda: self._held(contents))

    def _held(self, contents: Sequence[bytes]) -> list[int]:
        held: list[int] = []
        try:
            for content in contents:
                held.append(self._spool.hold(content))
        except OSError:
            close_all(held)
            raise
        return held

    def _end(self, why: NotPlaced) -> None:
        self._line = None
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_result(why)


async def _uninterrupted(hold: Callable[[], list[int]]) -> list[int]:
    """What the thread holds open is closed when nobody waits for it any more."""
    holding = asyncio.ensure_future(asyncio.to_thread(hold))
    try:
        return await asyncio.shield(holding)
    except asyncio.CancelledError:
        holding.add_done_callback(_let_go)
        raise


def _let_go(holding: asyncio.Future[list[int]]) -> None:
    if not holding.cancelled() and holding.exception() is None:
        close_all(holding.result())


def _request(number: int, placement: Placement) -> Request:
    return Request(
        number=number,
        folder=_FOLDERS[placement.folder],
        domain=placement.domain,
        name=placement.name,
        uid=placement.uid,
        base=placement.base,
        rest=None if placement.travels_apart else placement.rest,
        fingerprint=placement.fingerprint,
        attachments=tuple(attachment.name for attachment in placement.attachments),
        due=placement.due,
        over=placement.over,
        trace=placement.trace,
    )


def _receive(packet: Packet, waiting: dict[int, Answer]) -> None:
    lent = list(packet.descriptors)
    try:
        for reply in unpack_replies(packet.payload):
            answer = waiting.pop(reply.number, None)
            if answer is None:
                raise MalformedError(f"a reply to request {reply.number}, which nobody made")
            if reply.outcome is Outcome.OPENED and not lent:
                raise MalformedError("what the placer opened did not come with its answer")
            # Who asked may have gone meanwhile; the message is placed all the same.
            if not answer.done():
                answer.set_result(_answer(reply, lent))
    finally:
        close_all(lent)


def _answer(reply: Reply, lent: list[int]) -> Placing | Opened:
    match reply.outcome:
        case Outcome.OPENED:
            return Opened(reply.text, lent.pop())
        case Outcome.PLACED:
            return Placed(reply.text)
        case Outcome.DUPLICATE:
            return Placed(reply.text, duplicate=True)
        case Outcome.FAILED:
            return NotPlaced(reply.text)
        case Outcome.FULL:
            return NotPlaced(reply.text, full=True)
        case Outcome.AWAY:
            return NotPlaced(reply.text, away=True)
        case Outcome.CHANGED:
            return NotPlaced(reply.text, changed=True)
