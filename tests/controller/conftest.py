"""What the tests of several parts of the controller share."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
import structlog

from aimx.controller.activation import EngineError, Running
from aimx.controller.alone import Alone
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.pulse import Pulse
from aimx.controller.review import Review
from aimx.controller.state import State
from aimx.controller.watched import Watched
from aimx.doors.wish import Wish
from aimx.doors.wished import About, Answered, Wished
from aimx.snapshot import Snapshot
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.host.host import Access, Place, StepError, one_by_one
from reconcilers.host.local import LocalHost
from reconcilers.intents import Pin
from reconcilers.roots import Roots

ME = Who(0, "root", "test")
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is logged is not what these tests are about."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


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


class Stubborn(LocalHost):
    """A machine on which one directory cannot be made."""

    def __init__(self, roots: Roots) -> None:
        super().__init__(roots)
        self.failing = ""  # How its path ends; empty: none.
        self.tries = 0

    @contextmanager
    def keeping(self) -> Iterator[Stubborn]:
        yield self  # It is as stubborn in a hurry.

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        return one_by_one(self, places, access)

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        if self.failing and str(path).endswith(self.failing):
            self.tries += 1
            raise StepError(f"{path}: no space is left on the device")
        super().make_directory(path, access)


@dataclass
class Served:
    """An instance that is applied, and its controller."""

    base: Path
    instance: Instance
    engine: Engine
    controller: Controller
    beats: list[str]
    host: Stubborn

    def declare(self, *names: str, top: str = "") -> None:
        manifest(self.base, *names, top=top)

    def review(self, consent: Consent | None = None, pin: Pin | None = None) -> Review:
        """What an apply would do now."""
        return self.instance.review(self.instance.in_force(pin), consent or Consent())

    async def wish(self, about: About, removals: int = 0) -> Answered:
        """As somebody asks for it, through the controller."""
        wished = Wished(Wish(allow_removals=removals), about, ME.uid, ME.account)
        return await self.controller.change(wished)

    def fail(self, ending: str) -> None:
        """From now on a directory whose path ends so cannot be made."""
        self.host.failing = ending

    def condition(self, kind: str) -> tuple[str, str]:
        """Its status, and its reason."""
        found = {each["type"]: each for each in self.controller.state.conditions.documents()}
        return found[kind]["status"], found[kind]["reason"]

    @property
    def owner(self) -> str:
        """Of every mailbox."""
        return OWNER

    @property
    def config(self) -> bytes:
        """What was applied."""
        return (self.base / "config" / "config.toml").read_bytes()

    @property
    def boxes(self) -> list[str]:
        return sorted(path.name for path in (self.base / "data/example.com/inbox").iterdir())

    @property
    def routes(self) -> list[str]:
        """What the engine takes mail for."""
        told = Snapshot.from_bytes(self.engine.committed.told)
        return sorted(address.partition("@")[0] for address in told.routes)


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
        roots = Roots(config, data, runtime, config / "manifest.toml")
        host = Stubborn(roots)
        instance = Instance(roots, host, data)
        alone = Alone(instance.host, instance.roots)
        instance.apply(None, alone, ME, Consent(), Watched())
        raw = instance.host.read(instance.roots.engine_config)
        assert raw is not None
        first = compiled(raw, instance.host, instance.roots)

        async def scened() -> None:
            engine = Engine(first)
            running = Running(
                engine,
                asyncio.get_running_loop(),
                instance.host,
                instance.roots,
                lambda: engine.committed,
            )
            beats: list[str] = []
            pulse = Pulse(0.02, lambda: beats.append("beat"), lambda: beats.append("settled"))
            current, state = lambda: engine.committed, State(instance)
            planner = OwnThread(instance, running)
            controller = Controller(instance, planner, current, state, pulse)
            await scene(Served(tmp_path, instance, engine, controller, beats, host))

        asyncio.run(scened())

    return run
