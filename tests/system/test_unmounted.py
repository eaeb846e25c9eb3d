"""The disk that the mail is on is not mounted: nothing is made below it, and no mail is taken."""

import os
import signal
import smtplib
import subprocess
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


def delivered(instance, subject: str) -> int:
    """The reply to a message; 0 where the connection broke."""
    try:
        return instance.deliver(f"Subject: {subject}\r\n\r\nHello.\r\n".encode(), BOX)
    except (OSError, smtplib.SMTPException):
        return 0


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


def test_under_a_running_daemon_mail_waits_until_it_is_back(applied, until):
    applied.serve()
    away = unmount(applied)

    until(lambda: delivered(applied, "meanwhile") in (450, 451), "mail to be put off")
    applied.daemon.send_signal(signal.SIGHUP)
    until(lambda: applied.condition("Converged")["reason"] == "DataGone", "the word of it")
    assert list(applied.data.iterdir()) == []
    mount(applied, away)

    until(lambda: delivered(applied, "later") == 250, "mail to be taken")
    assert "later" in {each.fields["subject"] for each in applied.letters(BOX)}
    until(lambda: applied.has("Converged", "True"), "convergence")


def test_another_disk_is_noticed_though_no_placer_was_there_to_see_it_come(applied, until):
    applied.serve()
    (placer,), inbound = applied.pids("placer"), set(applied.pids("inbound"))
    subprocess.run(["cp", "-a", applied.data, applied.base / "copy"], check=True)

    os.kill(placer, signal.SIGKILL)
    applied.data.rename(applied.base / "away")
    (applied.base / "copy").rename(applied.data)

    until(lambda: applied.pids("inbound"), "others to take their place")
    until(lambda: not inbound & set(applied.pids("inbound")), "others to take their place")
    until(lambda: delivered(applied, "anew") == 250, "mail to be taken")
    assert "anew" in {each.fields["subject"] for each in applied.letters(BOX)}


def test_what_is_placed_is_placed_on_the_disk_that_is_mounted_by_now(applied, until):
    applied.serve()
    (placer,) = applied.pids("placer")
    subprocess.run(["cp", "-a", applied.data, applied.base / "copy"], check=True)

    applied.data.rename(applied.base / "away")
    (applied.base / "copy").rename(applied.data)

    until(lambda: placer not in applied.processes(), "the placer to go")
    until(lambda: delivered(applied, "anew") == 250, "mail to be taken")
    assert "anew" in {each.fields["subject"] for each in applied.letters(BOX)}
