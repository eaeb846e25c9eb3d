"""What the supervisor takes from an outbound process that is not believed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from aimx.channel.control import Answered, Authored, Forbidden, Permitted
from aimx.channel.packets import MalformedError
from aimx.doors.socket.frames import Code
from aimx.doors.socket.submission import Accepted, Declined, Submitted
from aimx.processes.submissions import Submissions
from aimx.processes.worker import WorkerGoneError

HELLO = Submitted(-1, 10, 0, text_only=True, uid=1000, idempotency_key="")


@dataclass
class Outbound:
    """Writes down what it is told, and reads on only while it is open."""

    told: list[Any] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, message: Any, descriptors: object = ()) -> None:
        self.told.append(message)
        await self.reads.wait()


Scene = Callable[[Submissions, Outbound, asyncio.Task[Any]], Awaitable[None]]


def played(scene: Scene, owner: int = 1000) -> Any:
    """With one message handed in; gives what became of it."""

    async def play() -> Any:
        outbound = Outbound()
        outbound.reads.set()
        crew: Any = SimpleNamespace(of=lambda role: [outbound])
        submissions = Submissions(crew)
        handed_in = asyncio.create_task(submissions.submit(HELLO, lambda of: of == owner))
        while not outbound.told:
            await asyncio.sleep(0)
        await scene(submissions, outbound, handed_in)
        submissions.lost()
        return await handed_in

    return asyncio.run(play())


async def until_told(outbound: Outbound, number: int) -> Any:
    while len(outbound.told) < number:
        await asyncio.sleep(0)
    return outbound.told[-1]


@pytest.mark.parametrize(("owner", "leave"), [(1000, Permitted(1)), (1001, Forbidden(1))])
def test_an_author_is_permitted_or_not_and_the_answer_is_passed_on(
    owner: int, leave: object
) -> None:
    async def scene(submissions: Submissions, outbound: Outbound, _: object) -> None:
        submissions.heard(Authored(1, "a@a.example", owner))
        assert await until_told(outbound, 2) == leave
        submissions.heard(Answered(1, "", "<1@a.example>"))

    assert played(scene) == Accepted("<1@a.example>")


def test_an_answer_with_a_code_that_nobody_knows_is_malformed() -> None:
    async def scene(submissions: Submissions, *_: object) -> None:
        with pytest.raises(MalformedError):
            submissions.heard(Answered(1, "OK\nCode: OK", ""))

    assert played(scene).code is Code.DELIVERY


@pytest.mark.parametrize(
    "message", [Authored(1, "a@a.example", 1000), Answered(1, "TEMP", "again")], ids=repr
)
def test_who_says_more_than_it_is_asked_does_not_fill_our_memory(
    message: Authored | Answered,
) -> None:
    async def scene(submissions: Submissions, outbound: Outbound, _: object) -> None:
        outbound.reads.clear()
        submissions.heard(Authored(1, "b@a.example", 1000))
        await until_told(outbound, 2)
        if isinstance(message, Answered):
            submissions.heard(message)
        with pytest.raises(MalformedError):
            submissions.heard(message)
        outbound.reads.set()

    assert isinstance(played(scene), Declined)


def test_what_nobody_waits_for_is_nobodys() -> None:
    async def scene(submissions: Submissions, *_: object) -> None:
        for number in (7, 7, 8):
            submissions.heard(Answered(number, "", "<1@a.example>"))

    assert isinstance(played(scene), Declined)


def test_who_is_gone_meanwhile_is_told_as_gone() -> None:
    async def scene(submissions: Submissions, outbound: Outbound, _: object) -> None:
        async def gone(message: object, descriptors: object = ()) -> None:
            raise WorkerGoneError("outbound is gone")

        outbound.tell = gone  # type: ignore[method-assign]
        submissions.heard(Authored(1, "a@a.example", 1000))
        await asyncio.sleep(0)

    assert played(scene).code is Code.DELIVERY
