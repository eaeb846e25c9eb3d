"""What the supervisor asks again before it starts what a worker wanted."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from aimx.hooks.command import Command
from aimx.hooks.facts import Facts
from aimx.hooks.firing import Fires, obstacle
from aimx.hooks.run import NotStartedError, Started
from aimx.placing.control import Firing

COMMAND = Command(
    hook="tell",
    event="on_receive",
    mailbox="info@a.com",
    domain="a.com",
    folder="info",
    owner="alice",
    uid=1000,
    argv=("/bin/true",),
    timeout=60.0,
    fire_on_untrusted=False,
    replies_per_hour=10,
)
FACTS = Facts("Ann", "b@a.com", "hi", "1@x", "2026", "thread", "ann@x", trusted="true")
FIRING = Firing(1, "tell", 1000, "a.com", "inbox", "info", "x", "x.md", FACTS.pack().decode())


class NoLauncher:
    """Starts nothing, and remembers what it should have."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def start(
        self, command: Command, told: dict[str, str], message: int, out: int, err: int
    ) -> Started:
        self.asked.append(told)
        raise NotStartedError("this host starts nothing")


def started(firing: Firing, message: int | None, commands: Mapping[str, Command]) -> int:
    """How often a process would have been started for it."""
    launcher = NoLauncher()
    fires = Fires(lambda: commands, launcher, PurePosixPath("/data"), lambda: 0.0)
    asyncio.run(fires.fire(firing, message, asyncio.Event()))
    return len(launcher.asked)


def test_what_fits_may_run() -> None:
    assert obstacle(COMMAND, FIRING, FACTS) == ""
    assert obstacle(replace(COMMAND, fire_on_untrusted=True), FIRING, FACTS) == ""


@pytest.mark.parametrize(
    ("command", "trusted", "reason"),
    [
        pytest.param({"domain": "b.com"}, "true", "the hook belongs to", id="other-domain"),
        pytest.param({"folder": "ops"}, "true", "the hook belongs to", id="other-mailbox"),
        pytest.param({"event": "after_send"}, "true", "the hook runs after_send", id="event"),
        pytest.param({"uid": 1001}, "true", "another owner", id="other-owner"),
        pytest.param({"uid": None}, "true", "another owner", id="owner-gone"),
        pytest.param({}, "false", "not trusted", id="untrusted"),
        pytest.param({}, "none", "not trusted", id="nobody-is-trusted"),
        pytest.param({}, "", "not trusted", id="not-said"),
    ],
)
def test_what_a_worker_wanted_and_may_not_be_does_not_run(
    command: dict[str, object], trusted: str, reason: str
) -> None:
    changed = replace(COMMAND, **command)  # type: ignore[arg-type]

    assert reason in obstacle(changed, FIRING, replace(FACTS, trusted=trusted))


@pytest.mark.parametrize(
    ("firing", "commands", "times"),
    [
        pytest.param(FIRING, {"tell": COMMAND}, 1, id="fits"),
        pytest.param(FIRING, {}, 0, id="the-hook-is-gone"),
        pytest.param(replace(FIRING, facts="x\ny"), {"tell": COMMAND}, 0, id="facts-made-up"),
        pytest.param(replace(FIRING, reason="gone", path=""), {"tell": COMMAND}, 0, id="no-mail"),
    ],
)
def test_only_what_fits_is_started(
    firing: Firing, commands: Mapping[str, Command], times: int
) -> None:
    assert started(firing, None, commands) == times
