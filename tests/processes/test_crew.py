import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aimx.channel.control import Commit, Committed, Prepare, Prepared, Refused
from aimx.processes.activation import RefusedError
from aimx.processes.crew import Crew, workers
from aimx.processes.worker import SilentError, Worker, WorkerGoneError
from aimx.snapshot import SnapshotId
from desired.desired import Log
from reconcilers.host.host import Account

NOBODY: Any = (None, None)  # No station, and no service users.


@dataclass(eq=False)
class Busy:
    """A worker, as far as its connections go."""

    connections: Counter[str] = field(default_factory=Counter)
    role: str = "inbound"


@pytest.mark.parametrize(
    ("processors", "wanted", "number"),
    [(1, None, 2), (2, None, 2), (3, None, 3), (64, None, 4), (64, 1, 1), (1, 8, 8)],
)
def test_there_are_as_many_workers_as_processors_within_bounds_or_as_are_wanted(
    monkeypatch: pytest.MonkeyPatch, processors: int, wanted: int | None, number: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))

    assert workers(wanted) == number


@dataclass(slots=True)
class Failing(Crew):
    """Starts fail so often, and then there is a worker."""

    failures: int = 0

    async def _start(self, role: str) -> Worker:
        if self.failures:
            self.failures -= 1
            raise OSError("no process can be started now")
        worker = cast("Worker", Busy(role=role))
        self.workers.append(worker)
        return worker


@dataclass
class Wanted:
    """A generation, as far as it asks for workers."""

    workers: int


def test_a_worker_that_could_not_be_added_is_tried_again_while_it_is_wanted() -> None:
    async def play(failures: int, then: int) -> int:
        crew = Failing(*NOBODY, print, print, failures=failures)
        crew.committed = cast("Any", Wanted(3))
        crew._resize()
        crew._resize()  # Who is on the way is not started twice.
        await asyncio.sleep(0)
        crew.committed = cast("Any", Wanted(then))
        while crew._tasks:
            await asyncio.wait(crew._tasks)
        return len(crew.of("inbound"))

    assert asyncio.run(play(failures=4, then=3)) == 3
    assert asyncio.run(play(failures=3, then=0)) == 0


def test_who_dies_again_and_again_is_started_later_and_later() -> None:
    async def play() -> tuple[list[float], float, float]:
        crew = Crew(*NOBODY, print, print)
        pauses = [crew._pause("inbound") for _ in range(8)]
        other = crew._pause("outbound")
        for _ in pauses:
            crew._forgive("inbound")
        return pauses, other, crew._pause("inbound")

    pauses, other, once_calm = asyncio.run(play())

    assert pauses[:4] == sorted(set(pauses[:4]))
    assert (pauses[0], pauses[-1]) == (0.0, 5.0)
    assert (other, once_calm) == (0.0, 0.0)


# How all come to a new generation.


@dataclass(eq=False)
class Played:
    """A worker that does as its part says, and writes down what it is asked."""

    role: str
    heard: list[str]
    crew: "Playing"
    # What becomes of it when it is asked: `refuses`, `dies`, `is silent`; else it does it.
    part: dict[type, str] = field(default_factory=dict)

    async def ask(self, message: object, descriptors: Sequence[int], seconds: float) -> object:
        said = f"{type(message).__name__} {self.role}"
        self.heard.append(f"{said} within {seconds:.0f} s")
        await asyncio.sleep(0)
        match self.part.get(type(message)):
            case "refuses":
                return Refused("its key is unusable")
            case "dies":
                self.crew._died(cast("Worker", self))
                raise WorkerGoneError(f"{self.role} died")
            case "is silent":
                raise SilentError(f"{self.role} did not answer within {seconds:.0f} s")
        self.heard.append(f"{said} done")
        return Prepared() if isinstance(message, Prepare) else Committed()

    async def tell(self, message: object) -> None:
        self.heard.append(f"{type(message).__name__} {self.role}")

    def end(self) -> None:
        self.heard.append(f"end {self.role}")


@dataclass(slots=True)
class Playing(Crew):
    """Whoever is started plays the next of these parts; with none left nobody can be started."""

    parts: list[dict[type, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def _start(self, role: str) -> Worker:
        if not self.parts:
            raise WorkerGoneError(f"{role} died at once")
        worker = cast("Worker", Played(role, self.told, self, self.parts.pop(0)))
        await self._supply(worker)
        self.workers.append(worker)
        return worker


def generation(number: int) -> Any:
    """One, as far as a crew hands it on."""
    return SimpleNamespace(
        snapshot=SimpleNamespace(id=SnapshotId(number)),
        told=b"",
        told_keys={},
        relay_password=None,
        certificate=None,
        log=Log(),
        workers=1,
    )


Scene = Callable[[Playing], Awaitable[None]]


def played(
    scene: Scene, inbound: dict[type, str], outbound: dict[type, str], *next_ones: dict[type, str]
) -> None:
    """With both at work on generation 1, inbound started first."""

    async def play() -> None:
        crew = Playing(*NOBODY, print, lambda worker: None)
        crew.committed = generation(1)
        both = (Played("inbound", crew.told, crew, inbound), Played("outbound", crew.told, crew))
        both[1].part = outbound
        crew.workers, crew.parts = [cast("Worker", each) for each in both], list(next_ones)
        try:
            await scene(crew)
        finally:
            for task in crew._tasks:
                task.cancel()
            await asyncio.gather(*crew._tasks, return_exceptions=True)

    asyncio.run(play())


def test_the_signer_has_swapped_before_anybody_else_is_asked_to() -> None:
    async def scene(crew: Playing) -> None:
        await crew.prepare(generation(2))
        crew.told.clear()

        await crew.commit()

        assert crew.told == [
            "Commit outbound within 5 s",
            "Commit outbound done",
            "Commit inbound within 5 s",
            "Commit inbound done",
        ]

    played(scene, {}, {})


@pytest.mark.parametrize("part", ["refuses", "is silent"])
def test_where_one_cannot_prepare_everybody_drops_it(part: str) -> None:
    async def scene(crew: Playing) -> None:
        before = crew.committed

        with pytest.raises(RefusedError):
            await crew.prepare(generation(2))

        assert "Prepare inbound within 10 s" in crew.told
        assert sorted(crew.told[-2:]) == ["Drop inbound", "Drop outbound"]
        assert (crew.committed, crew.prepared) == (before, None)
        assert [worker.role for worker in crew.workers] == ["inbound", "outbound"]

    played(scene, {Prepare: part}, {})


def test_who_dies_while_it_prepares_is_started_and_asked_once_more() -> None:
    async def scene(crew: Playing) -> None:
        await crew.prepare(generation(2))

        assert sorted(worker.role for worker in crew.workers) == ["inbound", "outbound"]
        # Its successor was brought to where everybody is, and then given the new one.
        assert crew.told.count("Prepare inbound done") == 2
        assert crew.told.count("Commit inbound done") == 1
        assert crew.prepared is not None

    played(scene, {Prepare: "dies"}, {}, {})


def test_a_second_death_over_it_is_a_refusal() -> None:
    async def scene(crew: Playing) -> None:
        with pytest.raises(RefusedError, match="died at once over the new generation"):
            await crew.prepare(generation(2))

        assert crew.told[-1] == "Drop outbound"
        assert crew.prepared is None

    played(scene, {Prepare: "dies"}, {})


def test_who_does_not_swap_in_time_is_ended_and_started_with_the_new_one() -> None:
    async def scene(crew: Playing) -> None:
        new = generation(2)
        await crew.prepare(new)
        crew.told.clear()

        await crew.commit()
        while len(crew.workers) < 2:
            await asyncio.sleep(0)

        assert crew.committed is new
        assert crew.told[2:] == [
            "Commit inbound within 5 s",
            "end inbound",
            "Prepare inbound within 10 s",
            "Prepare inbound done",
            "Commit inbound within 5 s",
            "Commit inbound done",
        ]

    played(scene, {Commit: "is silent"}, {}, {})


@dataclass(eq=False)
class Renewed(Busy):
    """A worker that says how it went."""

    told: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.role

    def end(self) -> None:
        self.told.append(f"{self.role} is ended")

    async def leave(self, _seconds: float) -> None:
        self.told.append(f"{self.role} leaves")
        await asyncio.sleep(0)
        self.told.append(f"{self.role} has left")


def test_who_begins_anew_answers_first_what_is_on_its_way_to_a_host() -> None:
    told: list[str] = []

    async def play() -> list[str]:
        crew = Failing(*NOBODY, print, lambda worker: told.append(f"{worker.role} is lost"))
        before = [Renewed(role=role, told=told) for role in ("outbound", "inbound")]
        crew.workers = cast("Any", list(before))
        crew.renew()
        while len(crew.workers) < 2 or set(before) & set(cast("Any", crew.workers)):
            await asyncio.sleep(0)
        return [worker.role for worker in crew.workers]

    others = asyncio.run(asyncio.wait_for(play(), 60))

    assert sorted(others) == ["inbound", "outbound"]
    assert [each for each in told if each.startswith("outbound")] == [
        "outbound leaves",
        "outbound has left",
        "outbound is lost",
    ]
    assert "inbound is ended" in told


# Another user takes the work over.

BEFORE, NOW = Account("nobody", 65534, 65534), Account("aimx-in", 61_001, 61_002)


@dataclass(eq=False)
class Employed:
    """A worker, as far as it is somebody's and leaves when it has nothing in hand any more."""

    user: Account
    role: str = "inbound"
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def leave(self, seconds: float) -> None:
        await self.idle.wait()


@dataclass
class Directory:
    """A station, as far as it hands a directory over."""

    owners: list[Account] = field(default_factory=list)

    async def hand_over(self, role: str, user: Account) -> None:
        self.owners.append(user)


@dataclass(slots=True)
class Handing(Crew):
    """Notes who works beside each worker that is started."""

    beside: list[Account | None] = field(default_factory=list)

    async def _start(self, role: str) -> Worker:
        self.beside.append(self._beside(role, NOW))
        worker = cast("Worker", Employed(NOW))
        self.workers.append(worker)
        return worker


def test_a_directory_is_shared_until_the_last_of_the_other_users_workers_has_gone() -> None:
    async def play() -> tuple[list[Account | None], list[list[Account]]]:
        directory = Directory()
        crew = Handing(cast("Any", directory), cast("Any", None), print, lambda _: None)
        crew.committed = cast("Any", Wanted(2))
        former = [Employed(BEFORE), Employed(BEFORE)]
        crew.workers = cast("Any", list(former))
        for each in tuple(crew.workers):
            await crew.succeed(each)
        seen = []
        for each in former:
            seen.append(list(directory.owners))
            each.idle.set()
            await asyncio.wait(tuple(crew._tasks), return_when=asyncio.FIRST_COMPLETED)
        await crew._start("inbound")
        return crew.beside, [*seen, directory.owners]

    beside, owners = asyncio.run(play())
    assert beside == [BEFORE, BEFORE, None]
    assert owners == [[], [], [NOW]]
