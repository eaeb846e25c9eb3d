"""The outbound process, in this one."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from aimx.channel.control import (
    FROM_OUTBOUND,
    TO_OUTBOUND,
    Authored,
    Commit,
    Committed,
    OutboundSecrets,
    Prepare,
    Prepared,
    Ready,
    Submission,
)
from aimx.channel.packets import Channel, Kind, close_all, pair
from aimx.channel.sealed import sealed
from aimx.processes.outbound import Outbound
from aimx.snapshot import Route, Snapshot, SnapshotId

SNAPSHOT = Snapshot(
    SnapshotId(1),
    "mx.a.example",
    ("a.example",),
    {"info@a.example": Route("info@a.example", "a.example", "info", 1000)},
)
MESSAGE = b"From: info@a.example\nTo: bob@c.example\nSubject: Hello\n\nHi\n"


@dataclass
class Supervisor:
    """The other end."""

    channel: Channel

    def say(self, message: object, *contents: bytes) -> None:
        descriptors = [sealed(content) for content in contents]
        self.channel.send(TO_OUTBOUND.encode(message), descriptors)
        close_all(descriptors)

    async def hear(self) -> object:
        packet = await asyncio.to_thread(self.channel.receive)
        assert packet is not None
        return FROM_OUTBOUND.decode(packet.payload)


@pytest.fixture
def directory(tmp_path: Path):
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


@asynccontextmanager
async def serving(directory: int) -> AsyncIterator[tuple[Outbound, Supervisor]]:
    """One that has its first generation; at the end the supervisor is gone."""
    ours, theirs = pair(Kind.CONTROL)
    outbound, supervisor = Outbound(ours, directory), Supervisor(theirs)
    async with asyncio.timeout(60):
        running = asyncio.create_task(outbound.run())
        with closing(theirs):
            assert await supervisor.hear() == Ready()
            supervisor.say(Prepare(1), SNAPSHOT.to_bytes(), OutboundSecrets({}).to_bytes())
            assert await supervisor.hear() == Prepared()
            supervisor.say(Commit())
            assert await supervisor.hear() == Committed()
            yield outbound, supervisor
        await running


def test_what_is_under_way_when_the_supervisor_goes_is_given_up(directory, capsys):
    async def scenario() -> set[asyncio.Task[None]]:
        async with serving(directory) as (outbound, supervisor):
            submission = Submission(1, len(MESSAGE), 0, False, 1000, "", "trace")
            supervisor.say(submission, MESSAGE)
            # It waits for leave, which nobody can give any more.
            assert await supervisor.hear() == Authored(1, "info@a.example", 1000)
        return outbound._tasks

    # Otherwise it would meet, sooner or later, what is closed by then.
    assert asyncio.run(scenario()) == set()
    assert "Traceback" not in capsys.readouterr().out
