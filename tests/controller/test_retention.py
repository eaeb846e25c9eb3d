"""Mail set aside goes when it was kept for as long as the policy says, and not before."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from structlog.testing import capture_logs

from aimx.controller.activation import Running
from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.retention import Retention
from aimx.controller.state import State
from aimx.controller.watched import Watched
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.host.host import Access
from reconcilers.host.local import LocalHost
from reconcilers.locks import apply_lock
from reconcilers.roots import Roots

ME = Who(0, "root", "test")
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
KEPT, GONE = "postmaster@example.com", "info@example.com"


class Later(LocalHost):
    """A machine whose clock is ahead by as much as a test says."""

    ahead = timedelta()
    locking: Callable[[], object] | None = None  # What somebody does before a lock is taken.

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        if path.name == "lock.holder" and self.locking is not None:
            self.locking()
        super().replace(path, content, access)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Idle:
    """An engine that is told nothing: purging concerns no snapshot."""

    async def prepare(self, compiled: object) -> None:
        pytest.fail("the engine was told to prepare")

    async def commit(self) -> None:
        pytest.fail("the engine was told to commit")

    async def drop(self) -> None:
        pytest.fail("the engine was told to drop")


@dataclass
class Aside:
    """An instance with one tombstone."""

    instance: Instance
    host: Later
    waits: list[float] = field(default_factory=list)  # After each turn, in seconds.

    @property
    def names(self) -> list[str]:
        return sorted(os.listdir(self.instance.roots.tombstones))

    def pass_by(self, *ahead: timedelta, seconds: float = 3600) -> list[dict[str, object]]:
        """Turns of one job, so many seconds apart on a clock that nobody sets.

        `ahead`: how much time has passed by the machine's clock at each. Gives what was logged.
        """

        async def turned() -> None:
            roots = self.instance.roots
            running = Running(Idle(), asyncio.get_running_loop(), self.host, roots)
            state = State(self.instance)
            planner = OwnThread(self.instance, running)
            controller = Controller(self.instance, planner, lambda: None, state)
            clock = itertools.count(step=seconds)
            job = Retention(self.instance, controller.carry_out, lambda: next(clock))
            for self.host.ahead in ahead:
                self.waits.append(await job.turn())

        with capture_logs() as logged:
            asyncio.run(turned())
        return [each for each in logged if "tombstone" in each]


@pytest.fixture
def aside(tmp_path: Path, request: pytest.FixtureRequest) -> Aside:
    retention = getattr(request, "param", "30d")
    config, data, runtime = (PurePosixPath(tmp_path / n) for n in ("config", "data", "run"))
    (tmp_path / "config").mkdir()
    roots = Roots(config, data, runtime, config / "manifest.toml")
    host = Later(roots)
    instance = replace(Instance.of(roots), host=host)
    for names in ((KEPT, GONE), (KEPT,)):
        tables = "".join(f'[mailboxes."{name}"]\nowner = "{OWNER}"\n' for name in names)
        policy = f'[policy]\ntombstone_retention = "{retention}"\n'
        Path(roots.manifest).write_text(f'domains = ["example.com"]\n{tables}{policy}')
        instance.apply(None, Alone(host, roots), ME, Consent(removals=1), Watched())
        if GONE in names:
            inbox = Path(roots.mailbox("example.com", "inbox", "info"))
            (inbox / "2026-01-02-030405-hello.md").write_bytes(b"mail")
    return Aside(instance, host)


@pytest.mark.parametrize(
    ("aside", "passed", "left"),
    [
        pytest.param("30d", timedelta(days=29), ["info@example.com.2"], id="not yet"),
        pytest.param("30d", timedelta(days=30), [], id="as long as it says"),
        pytest.param("keep", timedelta(days=9999), ["info@example.com.2"], id="kept for ever"),
    ],
    indirect=["aside"],
)
def test_a_tombstone_stays_as_long_as_the_policy_says(aside, passed, left):
    aside.pass_by(passed, passed)

    assert aside.names == left


AHEAD = timedelta(days=400)


@pytest.mark.parametrize(
    ("ahead", "left"),
    [
        pytest.param((AHEAD,), ["info@example.com.2"], id="not for long"),
        pytest.param((AHEAD, timedelta()), ["info@example.com.2"], id="then set right"),
        pytest.param((AHEAD, timedelta(), AHEAD), ["info@example.com.2"], id="again"),
        pytest.param((AHEAD, AHEAD), ["info@example.com.2"], id="half an hour"),
        pytest.param((AHEAD, AHEAD, AHEAD), [], id="for an hour"),
    ],
)
def test_a_clock_that_is_wrong_for_a_while_deletes_nothing(aside, ahead, left):
    aside.pass_by(*ahead, seconds=1800)

    assert aside.names == left


@pytest.mark.parametrize("aside", ["7s"], indirect=True)
def test_what_is_kept_for_seconds_goes_when_they_have_passed_twice(aside):
    aside.pass_by(timedelta(seconds=8), timedelta(seconds=15), seconds=7)

    assert (aside.waits, aside.names) == ([7, 600], [])


def test_each_tombstone_that_goes_has_its_line_in_the_log(aside):
    (line,) = aside.pass_by(timedelta(days=31), timedelta(days=31))

    assert line.pop("since")
    assert line == {
        "event": "tombstone purged",
        "log_level": "info",
        "tombstone": "info@example.com.2",
        "address": GONE,
        "messages": 1,
        "octets": 4,
    }


@pytest.mark.parametrize("aside", ["keep"], indirect=True)
def test_a_purge_that_was_killed_is_finished_also_where_mail_is_kept_for_ever(aside):
    path = Path(aside.instance.roots.tombstones)
    (path / "info@example.com.2").rename(path / "info@example.com.2,deleting")

    (line,) = aside.pass_by(timedelta())

    assert line["event"] == "unfinished purge completed"
    assert aside.names == []


def test_a_manifest_that_was_not_applied_deletes_nothing(aside):
    manifest = Path(aside.instance.roots.manifest)
    manifest.write_text(manifest.read_text().replace("30d", "1s"))

    aside.pass_by(timedelta(days=1), timedelta(days=1))

    assert aside.names == ["info@example.com.2"]


def test_while_somebody_has_the_lock_nothing_goes_and_then_it_does(aside):
    with apply_lock(aside.host, aside.instance.roots, "somebody"):
        (line,) = aside.pass_by(timedelta(days=31), timedelta(days=31))

    assert (line["event"], aside.names) == ("tombstone not purged", ["info@example.com.2"])
    aside.pass_by(timedelta(days=31), timedelta(days=31))
    assert aside.names == []


def test_what_was_restored_meanwhile_is_not_missed_by_the_job(aside):
    path = Path(aside.instance.roots.tombstones)
    aside.host.locking = lambda: (path / "info@example.com.2").rename(path.parent / "restored")

    (line,) = aside.pass_by(timedelta(days=31), timedelta(days=31))

    assert line["event"] == "tombstone not purged"
    assert (Path(aside.instance.roots.state) / "restored").is_dir()
