"""The loop over a real instance in a directory, with an engine that only remembers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
import watchfiles

from aimx.controller.activation import EngineError, Running
from aimx.controller.alone import Alone
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.instance import Consent, Instance, StaleError, Watched
from aimx.controller.loop import Controller
from aimx.controller.pulse import Pulse
from aimx.controller.state import State
from reconcilers.generations import Who
from reconcilers.roots import Roots

ME = Who(0, "root", "test")
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Engine:
    """What the processes would be told."""

    committed: Compiled
    told: list[str] = field(default_factory=list)
    prepared: Compiled | None = None
    refusal: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    async def prepare(self, compiled: Compiled) -> None:
        self.told.append("prepare")
        self.asked.set()
        await self.answering.wait()
        if self.refusal:
            raise EngineError(self.refusal)
        self.prepared = compiled

    async def commit(self) -> None:
        assert self.prepared is not None
        self.told.append("commit")
        self.committed, self.prepared = self.prepared, None

    async def drop(self) -> None:
        self.told.append("drop")
        self.prepared = None


@dataclass
class Served:
    """An instance that is applied, and its controller."""

    base: Path
    instance: Instance
    engine: Engine
    controller: Controller
    beats: list[str]

    def declare(self, *names: str, top: str = "") -> None:
        manifest(self.base, *names, top=top)

    def condition(self, kind: str) -> tuple[str, str]:
        """Its status, and its reason."""
        found = {each["type"]: each for each in self.controller.state.conditions.documents()}
        return found[kind]["status"], found[kind]["reason"]

    @property
    def boxes(self) -> list[str]:
        return sorted(path.name for path in (self.base / "data/example.com/inbox").iterdir())

    @property
    def routes(self) -> list[str]:
        """What the engine takes mail for."""
        return sorted(
            address.partition("@")[0] for address in self.engine.committed.snapshot.routes
        )


def manifest(base: Path, *names: str, top: str = "") -> None:
    tables = "".join(f'[mailboxes."{name}@example.com"]\nowner = "{OWNER}"\n' for name in names)
    text = f'domains = ["example.com"]\n{tables}{top}'
    (base / "config" / "manifest.toml").write_text(text)


@pytest.fixture
def serving(tmp_path: Path) -> Callable[[Callable[[Served], Awaitable[None]]], None]:
    """Runs a scene with a controller whose instance has one mailbox."""

    def run(scene: Callable[[Served], Awaitable[None]]) -> None:
        config, data, runtime = (PurePosixPath(tmp_path / n) for n in ("config", "data", "run"))
        (tmp_path / "config").mkdir()
        manifest(tmp_path, "postmaster")
        instance = Instance.of(Roots(config, data, runtime, config / "manifest.toml"))
        alone = Alone(instance.host, instance.roots)
        instance.apply(None, alone, ME, Consent(), Watched())
        raw = instance.host.read(instance.roots.engine_config)
        assert raw is not None
        first = compiled(raw, instance.host, instance.roots)

        async def scened() -> None:
            engine = Engine(first)
            running = Running(engine, asyncio.get_running_loop(), instance.host, instance.roots)
            beats: list[str] = []
            pulse = Pulse(0.02, lambda: beats.append("beat"), lambda: beats.append("settled"))
            current, state = lambda: engine.committed, State(instance)
            controller = Controller(instance, running, current, state, pulse)
            await scene(Served(tmp_path, instance, engine, controller, beats))

        asyncio.run(scened())

    return run


def test_a_new_mailbox_is_there_and_the_engine_knows_it(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.boxes == served.routes == ["info", "postmaster"]
        assert served.engine.told == ["prepare", "commit"]
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_what_is_as_it_should_be_troubles_nobody(serving):
    async def scene(served: Served) -> None:
        await served.controller.turn()
        await served.controller.turn()

        assert served.engine.told == []
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_a_broken_manifest_leaves_everything_as_it_is_and_says_so(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info", top="nonsense = \n")
        await served.controller.turn()

        assert served.condition("ManifestValid") == ("False", "LastGoodGenerationKept")
        assert served.routes == served.boxes == ["postmaster"]

        served.declare("postmaster", "info")
        await served.controller.turn()

        assert served.condition("ManifestValid") == ("True", "")
        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_a_removal_waits_and_what_was_added_with_it_does_not(serving):
    async def scene(served: Served) -> None:
        served.declare("info")

        await served.controller.turn()

        assert served.boxes == served.routes == ["info", "postmaster"]
        assert served.condition("PendingApproval") == ("True", "RunApply")
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_a_removal_that_somebody_asked_for_is_carried_out(serving):
    async def scene(served: Served) -> None:
        served.declare("info")
        await served.controller.turn()
        waiting = await served.controller.review(Consent(removals=1))

        applied = await served.controller.apply(waiting.id, ME, Consent(removals=1))
        await served.controller.turn()

        assert applied.summary.is_complete
        assert served.boxes == served.routes == ["info"]
        assert served.condition("PendingApproval") == ("False", "")

    serving(scene)


def test_a_plan_that_no_longer_fits_is_not_carried_out(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info")
        seen = await served.controller.review(Consent())
        served.declare("postmaster", "info", "more")

        with pytest.raises(StaleError):
            await served.controller.apply(seen.id, ME, Consent())

        assert served.boxes == ["postmaster"]

    serving(scene)


def test_where_nothing_is_applied_by_itself_it_is_shown(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info", top='[controller]\nauto_apply = "none"\n')

        await served.controller.turn()

        assert served.boxes == ["postmaster"]
        assert served.condition("PendingApproval") == ("True", "RunApply")

    serving(scene)


@pytest.mark.parametrize(("policy", "mode"), [("repair", 0o700), ("report", 0o777)])
def test_drift_is_repaired_or_only_reported(serving, policy, mode):
    async def scene(served: Served) -> None:
        served.declare("postmaster", top=f'[policy]\ndrift = "{policy}"\n')
        await served.controller.turn()
        box = served.base / "data/example.com/inbox/postmaster"
        box.chmod(0o777)

        served.controller.nudge()
        await served.controller.turn()

        assert box.stat().st_mode & 0o777 == mode
        assert served.condition("Drifted")[0] == ("False" if policy == "repair" else "True")

    serving(scene)


def test_what_the_engine_refuses_never_becomes_its_config(serving):
    async def scene(served: Served) -> None:
        config = served.base / "config" / "config.toml"
        before = config.read_bytes()
        served.engine.refusal = "inbound cannot run on it"
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert config.read_bytes() == before
        assert served.condition("Converged") == ("False", "ApplyFailed")

        served.engine.refusal = ""
        served.controller.nudge()
        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_leaving_ends_an_apply_with_the_step_in_hand(serving):
    async def scene(served: Served) -> None:
        config = served.base / "config" / "config.toml"
        before = config.read_bytes()
        served.declare("postmaster", "info")
        served.engine.answering.clear()
        running = asyncio.create_task(served.controller.run(0.05))
        await served.engine.asked.wait()

        running.cancel()
        await asyncio.sleep(0)
        served.engine.answering.set()
        await asyncio.gather(running, return_exceptions=True)

        assert served.engine.told == ["prepare", "drop"]
        assert config.read_bytes() == before
        assert ended(served.base) == {"event": "end", "synced": False}

    serving(scene)


def test_the_watchdog_is_fed_by_every_turn_that_ends(serving):
    async def scene(served: Served) -> None:
        await served.controller.turn()
        assert served.beats == ["beat", "settled"]

        (served.base / "config" / "manifest.toml").unlink()
        await served.controller.turn()
        assert served.beats == ["beat", "settled"] * 2

    serving(scene)


def test_the_watchdog_is_fed_by_every_step_of_an_apply_that_takes_long(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.beats.count("beat") > 3
        assert served.beats[-2:] == ["beat", "settled"]

    serving(scene)


def test_a_turn_that_hangs_starves_the_watchdog(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", "info")
        served.engine.answering.clear()
        running = asyncio.create_task(served.controller.run(0.05))
        await served.engine.asked.wait()
        await asyncio.sleep(0)
        before = len(served.beats)

        await asyncio.sleep(10 * served.controller.pulse.every)
        assert len(served.beats) == before

        served.engine.answering.set()
        while "settled" not in served.beats:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_nothing_to_do_feeds_the_watchdog_in_time(serving):
    async def scene(served: Served) -> None:
        running = asyncio.create_task(served.controller.run(0.05))

        while served.beats.count("settled") < 5:
            await asyncio.sleep(0.01)

        assert served.engine.told == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_a_hint_that_comes_during_a_turn_is_not_settled_by_it(serving):
    async def scene(served: Served) -> None:
        served.controller.nudge()
        await served.controller.turn()

        assert served.beats == ["beat"]

    serving(scene)


def test_the_certificate_is_looked_at_where_the_manifest_is_invalid(serving):
    async def scene(served: Served) -> None:
        served.declare("postmaster", top="nonsense = \n")
        tls = served.base / "config" / "tls"
        (tls / "cert.pem").write_bytes((tls / "cert.pem").read_bytes() + b"\n")

        await served.controller.turn()

        assert served.engine.told == ["prepare", "commit"]
        assert served.condition("ManifestValid")[0] == "False"

    serving(scene)


def test_what_no_event_tells_is_applied_at_the_next_look(serving, monkeypatch):
    def refused(*paths: str, **options: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "awatch", refused)

    async def scene(served: Served) -> None:
        served.declare("postmaster", top='[controller]\nresync = "1s"\n')
        running = asyncio.create_task(served.controller.run(0.05))
        while not served.beats:
            await asyncio.sleep(0.01)

        served.declare("postmaster", "info")

        async with asyncio.timeout(60):
            while served.routes != ["info", "postmaster"]:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def ended(base: Path) -> dict[str, object]:
    """The last line of the latest journal."""
    lines = (base / "data/.aimx/journal/2.jsonl").read_text().splitlines()
    return {key: value for key, value in json.loads(lines[-1]).items() if key != "at"}
