"""After a whole look an edit looks at what it changed, and at no more, until there is a reason."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.memory import Memory
from aimx.controller.turn import Turn, Turned
from aimx.controller.watched import Watched
from aimx.controller.workplace import Workplace
from desired.problem import digest
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.host.host import Access, Entry, Place, StepError, UnseenError, one_by_one
from reconcilers.host.local import LocalHost
from reconcilers.intents import Pin, end, keep_pin
from reconcilers.roots import Roots

ME = Who(0, "root", "test")
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
NAMES = [f"box{number}" for number in range(5)]


class Looking(LocalHost):
    """A machine that remembers which names of many it was asked for."""

    def __init__(self, roots: Roots) -> None:
        super().__init__(roots)
        self.asked: set[str] = set()
        self.full = False  # No directory can be made.
        self.blind = False  # No directory of many can be looked at.

    @contextmanager
    def keeping(self) -> Iterator[Looking]:
        yield self

    def look_within(
        self, directory: PurePosixPath, names: Sequence[str]
    ) -> dict[str, Entry | None] | None:
        self.asked.update(names)
        if self.blind:
            raise UnseenError(f"{directory}: input/output error")
        return super().look_within(directory, names)

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        return one_by_one(self, places, access)

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        if self.full:
            raise StepError(f"{path}: no space is left on the device")
        super().make_directory(path, access)


@dataclass(frozen=True)
class Idle(Alone):
    """In the place of the engine, which has looked for each directory before."""

    refusal: str = ""

    def refresh(self) -> str:
        return self.refusal

    def prepare(self, config: bytes) -> None:
        pass


@dataclass
class Planned:
    """An instance, and whoever plans for it."""

    base: Path
    instance: Instance
    host: Looking
    memory: Memory
    names: list[str] = field(default_factory=lambda: list(NAMES))
    domains: str = '"a.example"'
    rest: str = ""
    refusal: str = ""  # Why the engine does not run on what it could run on.

    def declare(self) -> None:
        tables = "".join(f'[mailboxes."{it}@a.example"]\nowner = "{OWNER}"\n' for it in self.names)
        Path(self.instance.roots.manifest).write_text(
            f"domains = [{self.domains}]\n{tables}{self.rest}"
        )

    def turn(self, *, likely: bool, **parts: object) -> Turned:
        self.host.asked.clear()
        engine = Idle(self.host, self.instance.roots, refusal=self.refusal)
        manifest = digest(self.instance.sources())
        at = Workplace(self.instance, engine, memory=self.memory)
        return Turn(ME, manifest, **{"held": {}, "likely": likely, **parts}).done(at)

    def edit(self, name: str) -> Turned:
        self.names.append(name)
        self.declare()
        return self.turn(likely=True)

    @property
    def looked_at(self) -> set[str]:
        """Which of the mailboxes that there are."""
        return self.host.asked & set(self.names)

    def box(self, name: str) -> Path:
        return self.base / "data/a.example/inbox" / name


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """All of it was looked at."""
    config, data, run = (PurePosixPath(tmp_path / name) for name in ("config", "data", "run"))
    (tmp_path / "config").mkdir()
    roots = Roots(config, data, run, config / "manifest.toml")
    host = Looking(roots)
    made = Planned(tmp_path, Instance(roots, host, data), host, Memory(host, roots))
    made.declare()
    assert made.turn(likely=True).is_whole
    assert made.turn(likely=False).is_whole
    assert made.looked_at == set(NAMES)
    return made


def test_an_edit_looks_at_what_it_changed_alone(planned):
    turned = planned.edit("new")

    assert turned.is_whole
    assert planned.looked_at == {"new"}
    assert planned.box("new").is_dir()
    left = planned.instance.review(planned.instance.in_force(), Consent())
    assert left.plan.is_empty


def test_edit_after_edit_looks_at_what_each_changed(planned):
    for name in ("one", "two", "three"):
        assert planned.edit(name).is_whole

        assert planned.looked_at == {name}


def test_a_look_that_follows_no_edit_is_at_all(planned):
    planned.edit("new")
    planned.box("box0").chmod(0o777)

    turned = planned.turn(likely=False)

    assert planned.looked_at == set(planned.names)
    assert turned.account is not None
    assert planned.box("box0").stat().st_mode & 0o777 == 0o700


def test_after_an_apply_of_somebody_else_all_is_looked_at(planned):
    planned.names.append("theirs")
    planned.declare()
    other = Instance(planned.instance.roots, planned.host, planned.instance.roots.data)
    other.apply(None, Alone(planned.host, other.roots), ME, Consent(), Watched())

    planned.edit("ours")

    assert planned.looked_at == set(planned.names)


def test_after_an_apply_that_failed_all_is_looked_at(planned):
    planned.host.full = True
    assert planned.edit("new").failure
    planned.host.full = False

    assert planned.edit("newer").is_whole
    assert planned.looked_at == set(planned.names)
    assert planned.box("new").is_dir()


def test_after_a_look_at_what_is_blocked_all_is_looked_at(planned):
    planned.box("blocked").touch()
    assert not planned.edit("blocked").is_whole

    planned.edit("new")
    assert planned.looked_at == set(planned.names)


def test_after_a_look_that_saw_nothing_all_is_looked_at(planned):
    planned.host.blind = True
    assert not planned.edit("new").is_whole
    planned.host.blind = False

    assert planned.edit("newer").is_whole
    assert planned.looked_at == set(planned.names)


def test_after_a_look_that_the_engine_refused_all_is_looked_at(planned):
    planned.refusal = "inbound cannot run on it"
    assert not planned.turn(likely=True).is_whole
    planned.refusal = ""

    planned.edit("new")
    assert planned.looked_at == set(planned.names)


@pytest.mark.parametrize(
    "parts", [{"doubtful": True}, {"held": {"mailbox/box0@a.example": "no space is left"}}]
)
def test_in_doubt_and_while_something_waits_all_is_looked_at(planned, parts):
    planned.names.append("new")
    planned.declare()

    planned.turn(likely=True, **parts)

    assert planned.looked_at == set(planned.names)


def test_while_another_manifest_is_pinned_and_after_it_all_is_looked_at(planned):
    now = planned.host.now()
    pin = Pin(1, now + timedelta(hours=1), "", 0, now, 1, digest(planned.instance.sources()), ())
    keep_pin(planned.host, planned.instance.roots, pin)
    planned.edit("new")
    assert planned.looked_at == set(NAMES)

    end(planned.host, planned.instance.roots.pin)
    planned.edit("newer")
    assert planned.looked_at == set(planned.names)


def test_what_is_withheld_is_looked_at_each_time(planned):
    planned.names.remove("box0")
    planned.declare()
    assert not planned.turn(likely=True).is_whole

    assert not planned.edit("new").is_whole
    assert planned.looked_at == set(planned.names)


def test_a_domain_that_comes_is_looked_at_with_its_key(planned):
    planned.domains = '"a.example", "b.example"'

    assert planned.edit("new").is_whole
    assert planned.looked_at == {"new"}
    assert (planned.base / "data/b.example/inbox").is_dir()
    assert (planned.base / "config/dkim/b.example/private.key").is_file()
    left = planned.instance.review(planned.instance.in_force(), Consent())
    assert left.plan.is_empty


def test_a_domain_that_changes_is_looked_at_with_what_changes_of_it(planned):
    rest = '[domain."a.example"]\ndkim_selector = "s2"\ndkim = { rotate_every = "1d" }\n'
    planned.rest = rest.replace("s2", "aimx")
    planned.declare()
    assert planned.turn(likely=True).is_whole
    planned.rest = rest
    (planned.base / "data/a.example").chmod(0o700)

    planned.declare()
    turned = planned.turn(likely=True)

    assert turned.is_whole
    assert planned.looked_at == set()
    assert (planned.base / "data/a.example").stat().st_mode & 0o777 == 0o755
    left = planned.instance.review(planned.instance.in_force(), Consent())
    assert left.plan.is_empty


@pytest.mark.parametrize("domains", ['"b.example", "a.example"', '"a.example"'])
def test_where_a_domain_goes_or_another_is_the_default_all_is_looked_at(planned, domains):
    planned.domains = '"a.example", "b.example"'
    assert planned.edit("new").is_whole
    planned.domains = domains

    planned.edit("newer")
    assert planned.looked_at == set(planned.names)


def test_a_mailbox_that_changes_is_looked_at(planned):
    planned.declare()
    path = Path(planned.instance.roots.manifest)
    head, _, rest = path.read_text().rpartition(f'"{OWNER}"')
    path.write_text(f'{head}"{OWNER}"\ntrust = "verified"{rest}')

    assert planned.turn(likely=True).is_whole
    assert planned.looked_at == {"box4"}


def test_where_nobody_can_tell_what_was_applied_all_is_looked_at(planned, monkeypatch):
    def blind(path: PurePosixPath) -> bytes:
        raise UnseenError(f"{path}: nobody can look")

    desired = planned.instance.in_force().desired
    monkeypatch.setattr(planned.host, "read", blind)

    assert planned.memory.recalled(desired) is None
    planned.memory.settled(desired)
    assert planned.memory.recalled(desired) is None


@pytest.mark.parametrize(
    "block",
    [
        '[[moved]]\nfrom = "mailbox/old@a.example"\nto = "mailbox/box0@a.example"\n',
        '[[removed]]\naddress = "mailbox/old@a.example"\n',
    ],
    ids=["moved", "removed"],
)
def test_while_a_block_stands_in_the_manifest_all_is_looked_at(planned, block):
    planned.rest = block
    assert planned.edit("new").is_whole

    planned.edit("newer")

    assert planned.looked_at == set(planned.names)
