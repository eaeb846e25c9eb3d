"""Jobs done by a process of their own: the same as here, whatever becomes of that process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from pathlib import Path

import pytest

import aimx.processes.delegate
from aimx.channel.packets import Kind, pair
from aimx.channel.sealed import sealed
from aimx.controller.amendments import (
    AddDomain,
    CreateHook,
    CreateMailbox,
    DeleteHook,
    DeleteMailbox,
    RemoveDomain,
    SetDefault,
)
from aimx.controller.compiled import Compiled
from aimx.controller.loop import Controller
from aimx.controller.packed import Outline, packed, unpacked
from aimx.controller.planner import BySize, PlannerGoneError
from aimx.controller.retention import Purge, Purged
from aimx.controller.turn import Turn
from aimx.controller.watched import Watched
from aimx.controller.workplace import Job
from aimx.doors.exits import Exit
from aimx.doors.wish import Errand, Intent, Question, Wish
from aimx.doors.wished import Apply, ApplySaved, Look, Standing, Tombstones, Wished
from aimx.processes.aside import KEPT_SECONDS, Aside
from aimx.processes.planning import JOBS
from aimx.processes.start import start
from aimx.snapshot import Snapshot
from desired.desired import Controller as Controls
from reconcilers.generations import Who
from reconcilers.locks import apply_lock
from reconcilers.receipt import Receipt

SEED = int(os.environ.get("AIMX_SEED", "11"))
MANY = [f"box{number}" for number in range(40)]


@asynccontextmanager
async def planning(served, **bounds: float) -> AsyncIterator[Aside]:
    """The controller's jobs are done aside; afterwards nobody does any."""
    aside = Aside(served.instance, served.engine, lambda: served.engine.committed, **bounds)
    served.controller.planner = aside
    try:
        yield aside
    finally:
        await aside.close()


class Watching:
    """Aside, with something done once so many steps are told of."""

    def __init__(self, aside: Aside, steps: int, then: Callable[[], None]) -> None:
        self._aside, self._steps, self._then = aside, steps, then

    async def do(self, job: Job, watched: Watched) -> object:
        def progress(receipt: Receipt, number: int, steps: int) -> None:
            watched.progress(receipt, number, steps)
            if number >= self._steps:
                self._then()

        told = Watched(watched.stop, progress, lambda begun: None, watched.parallelism)
        return await self._aside.do(job, told)

    def leave(self) -> None:
        self._aside.leave()


class DiesMeanwhile:
    """How jobs are written down, while the process dies that they are for."""

    def __init__(self, aside: Aside) -> None:
        self._aside = aside

    def encode(self, job: Job) -> bytes:
        process = self._aside.pid
        kill(self._aside)
        while self._aside.pid is not None or Path(f"/proc/{process}").exists():
            time.sleep(0.001)
        return JOBS.encode(job)


def test_what_is_planned_aside_is_there_and_the_engine_knows_it(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            served.declare("postmaster", "info")

            await served.controller.turn()

            assert served.boxes == served.routes == ["info", "postmaster"]
            assert served.engine.told == ["prepare", "commit"]
            assert served.condition("Converged") == ("True", "")
            assert aside.pid not in (None, os.getpid())

    serving(scene)


def test_who_hands_a_generation_on_reads_no_route_of_it(serving):
    async def scene(served) -> None:
        async with planning(served):
            served.declare("postmaster", "info")
            await served.controller.turn()

            given = served.engine.committed

            assert given.snapshot.routes == {}
            assert given.owned == {str(uid_of(served)): owned("info", "postmaster")}
            assert Snapshot.from_bytes(given.told).domains == given.snapshot.domains

    serving(scene)


def test_a_generation_comes_out_as_it_was_packed(serving):
    async def scene(served) -> None:
        assert unpacked(packed(served.engine.committed)) == served.engine.committed

    serving(scene)


def test_an_outline_tells_all_but_the_snapshot_and_the_secrets():
    apart = {"snapshot", "told", "keys", "certificate"}

    assert {each.name for each in fields(Outline)} == {
        each.name for each in fields(Compiled)
    } - apart


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(Turn(Who(0, "root", "watch"), "ab", {"mailbox/a@b": "full"}, True), id="turn"),
        pytest.param(Purge({"old@example.com.2": 1.5}), id="purge"),
        *(
            pytest.param(Wished(Wish(columns=60), about, 5, "x"), id=type(about).__name__)
            for about in (
                Look(),
                Apply(None),
                Apply("sha256:ab"),
                ApplySaved("{}"),
                Standing(every=True),
                Tombstones(Errand("list")),
                Intent("APPROVE", "ab"),
                Question("DIFF", generations=(1, 2)),
            )
        ),
    ],
)
def test_a_job_is_the_same_job_there(job):
    assert JOBS.decode(JOBS.encode(job)) == job


@pytest.mark.parametrize(
    "amendment",
    [
        AddDomain("a.example", "s1"),
        RemoveDomain("a.example", force=True),
        SetDefault("a.example"),
        CreateMailbox("info", "root"),
        DeleteMailbox("info"),
        CreateHook("info", "on_receive", ("true",)),
        DeleteHook("tell"),
    ],
)
def test_an_amendment_is_the_same_amendment_there(amendment):
    job = Wished(Wish(amendment=amendment), Apply("sha256:ab"))

    assert JOBS.decode(JOBS.encode(job)) == job


def test_what_waits_for_approval_is_approved_aside(serving):
    async def scene(served) -> None:
        async with planning(served):
            served.declare("info")
            await served.controller.turn()
            assert served.condition("PendingApproval") == ("True", "RunApprove")

            waiting = served.controller.state.pending_plan
            answered = await served.wish(Intent("APPROVE", waiting[7:23]))

            assert answered.answer.exit == Exit.DONE
            assert served.boxes == served.routes == ["info"]

    serving(scene)


def test_a_broken_manifest_is_told_as_here(serving):
    async def scene(served) -> None:
        served.declare("postmaster", top="nonsense = \n")
        await served.controller.turn()
        here = served.controller.state.document(daemon=True)["conditions"]
        async with planning(served):
            served.controller.nudge()
            await served.controller.turn()

        assert served.controller.state.document(daemon=True)["conditions"] == here

    serving(scene)


@pytest.mark.parametrize("step", [1, 2, 17])
def test_a_planner_that_is_killed_within_an_apply_fails_it_and_the_next_one_finishes(serving, step):
    async def scene(served) -> None:
        async with planning(served) as aside:
            await served.controller.turn()
            served.controller.planner = Watching(aside, step, lambda: kill(aside))
            served.declare("postmaster", *MANY)

            await served.controller.turn()

            assert served.condition("Converged") == ("False", "ApplyFailed")
            assert "planner" in message(served.controller, "Converged")
            assert served.engine.prepared is None
            with apply_lock(served.instance.host, served.instance.roots, "somebody"):
                pass

            served.controller.planner = aside
            served.controller.nudge()
            await served.controller.turn()
            assert served.boxes == served.routes == sorted(["postmaster", *MANY])
            assert served.condition("Converged") == ("True", "")
            assert not served.instance.is_unfinished()

    serving(scene)


def test_a_planner_that_is_killed_at_any_time_leaves_nothing_undone(serving):
    async def scene(served) -> None:
        chance, names = random.Random(SEED), ["postmaster"]
        async with planning(served) as aside:
            await served.controller.turn()
            for number in range(8):
                names.append(f"more{number}")
                served.declare(*names)
                turning = asyncio.create_task(served.controller.turn())
                await asyncio.sleep(chance.uniform(0, 0.15))
                kill(aside)
                await turning
                told = served.condition("Converged")
                assert told in (("True", ""), ("False", "ApplyFailed")), f"AIMX_SEED={SEED}"

            served.controller.nudge()
            await served.controller.turn()

            assert served.boxes == served.routes == sorted(names), f"AIMX_SEED={SEED}"
            assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_a_planner_that_dies_before_it_is_told_its_job_keeps_nobody_waiting(serving, monkeypatch):
    async def scene(served) -> None:
        async with planning(served) as aside, asyncio.timeout(60):
            await served.controller.turn()
            served.declare("postmaster", "info")
            monkeypatch.setattr(aimx.processes.delegate, "JOBS", DiesMeanwhile(aside))

            await served.controller.turn()

            assert served.condition("Converged") == ("False", "ApplyFailed")
            monkeypatch.undo()
            served.controller.nudge()
            await served.controller.turn()
            assert served.boxes == served.routes == ["info", "postmaster"]

    serving(scene)


def test_a_planner_that_dies_over_what_is_prepared_has_it_dropped(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            await served.controller.turn()
            served.engine.answering.clear()
            served.declare("postmaster", "info")
            turning = asyncio.create_task(served.controller.turn())
            await served.engine.asked.wait()

            kill(aside)
            served.engine.answering.set()
            await turning

            assert served.engine.told == ["prepare", "drop"]
            assert served.routes == ["postmaster"]
            assert served.condition("Converged") == ("False", "ApplyFailed")

    serving(scene)


def test_what_a_killed_planner_left_unsynced_is_seen_to_with_nothing_to_do(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            await served.controller.turn()
            served.controller.planner = Watching(aside, 1, lambda: kill(aside))
            served.declare("postmaster", *MANY)
            await served.controller.turn()
            assert served.instance.is_unfinished()

            served.controller.planner = aside
            served.declare("postmaster")
            await served.controller.turn()

            assert served.condition("Converged") == ("True", "")
            assert not served.instance.is_unfinished()

    serving(scene)


def test_a_planner_that_hangs_is_killed_and_the_next_one_goes_on(serving):
    async def scene(served) -> None:
        async with planning(served, silent=5.0) as aside:
            await served.controller.turn()
            hung = aside.pid
            os.kill(hung, signal.SIGSTOP)
            served.declare("postmaster", "info")

            await served.controller.turn()

            assert served.condition("Converged") == ("False", "ApplyFailed")
            assert not Path(f"/proc/{hung}").exists()
            served.controller.nudge()
            await served.controller.turn()
            assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_who_asked_for_an_apply_hears_that_its_planner_died(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            await served.controller.turn()
            served.controller.planner = Watching(aside, 1, lambda: kill(aside))
            served.declare("postmaster", *MANY)

            with pytest.raises(PlannerGoneError, match=r"after \d+ of \d+ steps") as gone:
                await served.wish(Apply(None))

            assert gone.value.taken >= 1

    serving(scene)


def test_leaving_ends_an_apply_aside_with_the_step_in_hand(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            config = served.config
            await served.controller.turn()
            served.declare("postmaster", "info")
            served.engine.answering.clear()
            served.controller.nudge()
            running = asyncio.create_task(served.controller.run(0.05))
            await served.engine.asked.wait()

            running.cancel()
            await asyncio.sleep(0)
            served.engine.answering.set()
            await asyncio.gather(running, return_exceptions=True)

            assert served.engine.told == ["prepare", "drop"]
            assert served.config == config
            assert aside.pid is not None

    serving(scene)


@pytest.mark.skipif(os.geteuid() != 0, reason="it is hardened: root alone sees what it has open")
def test_a_planner_has_its_line_to_us_and_nothing_else(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            with apply_lock(served.instance.host, served.instance.roots, "somebody"):
                await served.controller.look(Wished(Wish(), Look()))
                async with asyncio.timeout(60):  # What it answered with is closed by and by.
                    while len(beyond_streams(aside)) > 1:
                        await asyncio.sleep(0.01)
                (control,) = beyond_streams(aside)
                status = Path(f"/proc/{aside.pid}/status").read_text()

            assert control.startswith("socket:")
            assert "NoNewPrivs:\t1" in status

    serving(scene)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_of_root_a_planner_keeps_what_planning_needs(serving):
    async def scene(served) -> None:
        async with planning(served) as aside:
            await served.controller.turn()
            status = Path(f"/proc/{aside.pid}/status").read_text()

            held = {line.split(":\t")[0]: line.split("\t")[1] for line in status.splitlines()}
            kept = sum(1 << capability for capability in (0, 1, 3, 4, 5, 6, 7))
            for each in ("CapPrm", "CapEff", "CapBnd"):
                assert int(held[each], 16) & ~kept == 0

    serving(scene)


def test_a_planner_without_a_job_goes_and_the_next_job_has_another(serving):
    async def scene(served) -> None:
        async with planning(served, kept=0.0) as aside:
            await served.controller.turn()
            async with asyncio.timeout(60):
                while aside.pid is not None:
                    await asyncio.sleep(0.01)

            served.declare("postmaster", "info")
            await served.controller.turn()

            assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_a_planner_is_there_from_one_look_at_the_machine_to_the_next():
    assert Controls().resync.total_seconds() < KEPT_SECONDS


def test_a_planner_whose_supervisor_is_gone_goes(tmp_path):
    names = {name: str(tmp_path / name) for name in ("config", "data", "runtime", "manifest")}
    named = sealed(json.dumps({**names, "named": names["data"]}).encode())
    ours, theirs = pair(Kind.CONTROL)
    process = start("planner", {"control": theirs.fileno(), "instance": named}, None)
    theirs.close()
    os.close(named)
    assert ours.receive() is not None

    ours.close()

    assert process.wait(60) == 0


@pytest.mark.parametrize(("padding", "who"), [(0, "here"), (200_000, "aside")])
def test_only_a_large_instance_is_planned_aside(serving, padding, who):
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        async def do(self, job: Job, watched: Watched) -> object:
            return self.name

        def leave(self) -> None:
            pass

    async def scene(served) -> None:
        served.declare("postmaster", top="#" * padding)
        planner = BySize(Named("here"), Named("aside"), served.instance.roots)

        assert await planner.do(Purge({"old@example.com.2": 1.5}), Watched()) == who

    serving(scene)


def test_a_purge_is_done_aside_as_well(serving):
    async def scene(served) -> None:
        async with planning(served):
            assert await served.controller.carry_out(Purge({"old@example.com.2": 1.5})) == Purged()

    serving(scene)


def kill(aside: Aside) -> None:
    """The process, if there is one: a turn may be over before it."""
    if aside.pid is not None:
        os.kill(aside.pid, signal.SIGKILL)


def beyond_streams(aside: Aside) -> list[str]:
    """What it has open, but for the standard streams."""
    entries = Path(f"/proc/{aside.pid}/fd")
    found = []
    for entry in entries.iterdir():
        with suppress(FileNotFoundError):  # Closed meanwhile.
            found += [os.readlink(entry)] if int(entry.name) > 2 else []
    return found


def message(controller: Controller, kind: str) -> str:
    found = controller.state.conditions.by_type.get(kind)
    return found.message if found is not None else ""


def uid_of(served) -> int:
    account = served.instance.host.account(served.owner)
    assert account is not None
    return account.uid


def owned(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}@example.com" for name in names)
