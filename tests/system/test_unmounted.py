"""The disk that the mail is on is not mounted: nothing is made below it, and no mail is taken."""

import signal
from pathlib import Path

import pytest

from aimx.doors.exits import Exit

BOX = "info@example.com"


@pytest.fixture
def applied(instance):
    instance.declare(BOX, "postmaster@example.com")
    instance.apply()
    return instance


def unmount(instance) -> Path:
    """Gives where the disk is by now."""
    away = instance.base / "away"
    instance.data.rename(away)
    instance.data.mkdir(mode=0o755)
    return away


def mount(instance, away: Path) -> None:
    instance.data.rmdir()
    away.rename(instance.data)


def begun(instance, command: str, until) -> None:
    """Start a daemon, and wait until it says that it waits."""
    before = instance.log.count("is waited for")
    instance.begin(command=command)
    until(lambda: instance.log.count("is waited for") > before, "the daemon to wait")


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_daemon_waits_for_it_and_then_begins(applied, until, command):
    away = unmount(applied)
    begun(applied, command, until)
    assert list(applied.data.iterdir()) == []

    mount(applied, away)

    until(applied.is_ready, "the daemon to begin")
    until(lambda: applied.has("Converged", "True"), "convergence")
    assert command == "watch" or applied.deliver(b"Subject: on\r\n\r\nHello.\r\n", BOX) == 250


def test_a_daemon_that_waits_can_be_stopped(applied, until):
    unmount(applied)
    begun(applied, "serve", until)

    assert applied.stop(signal.SIGTERM) == 0
    assert list(applied.data.iterdir()) == []


def test_once_does_not_wait(applied):
    unmount(applied)

    done = applied.aimx("watch", "--once")

    assert done.returncode == Exit.REFUSED
    assert "its disk may not be mounted" in done.stderr
    assert list(applied.data.iterdir()) == []


def test_an_apply_makes_everything_anew_and_the_daemon_that_waits_begins(applied, until):
    unmount(applied)
    begun(applied, "serve", until)

    assert "its disk may not be mounted" in " ".join(applied.aimx("plan").stdout.split())
    applied.apply()

    until(applied.is_ready, "the daemon to begin")
    assert applied.deliver(b"Subject: on\r\n\r\nHello.\r\n", BOX) == 250
    assert applied.letter(BOX, "on")
