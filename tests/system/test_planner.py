"""A daemon of a large instance, which another process plans for."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

# What makes it large, whatever it declares.
LARGE = f"\n#{'.' * 200_000}\n"
MANY = [f"box{number}@example.com" for number in range(150)]


@pytest.fixture
def large(instance, until):
    """One that is served, and has a planner by now."""
    declare(instance, "info@example.com")
    instance.serve()
    until(lambda: instance.pids("planner"), "a planner")
    until(lambda: instance.is_at_rest, "convergence")
    return instance


def declare(instance, *mailboxes: str) -> None:
    instance.write(instance.text("postmaster@example.com", *mailboxes) + LARGE)


def under_way(instance) -> bool:
    """Some of what was declared is there, and not all."""
    return sum(instance.mailbox(address).exists() for address in MANY) > 0


def test_an_edit_of_a_large_instance_is_accepted_and_its_directory_there(large, until):
    declare(large, "info@example.com", "new@example.com")

    until(lambda: large.is_at_rest, "the new mailbox")

    assert large.accepts("new@example.com")
    assert large.mailbox("new@example.com").is_dir()
    assert large.accepts("info@example.com")


def test_commands_are_answered_by_the_planner_of_a_large_instance(large):
    planner = large.pids("planner")
    assert large.aimx("suspend", "--for", "1h", "--reason", "a person applies").returncode == 0
    declare(large, "info@example.com", "new@example.com")

    applied = large.aimx("apply", "--yes")
    planned = large.aimx("plan", "--detailed-exitcode")
    status = large.status()

    assert (applied.returncode, planned.returncode) == (0, 0)
    assert "No changes." in planned.stdout
    assert [row for row in status["resources"] if row["apply"] and row["apply"] != "!"] == []
    assert large.pids("planner") == planner


@pytest.mark.parametrize("moment", ["at once", "within"])
def test_a_planner_that_is_killed_leaves_mail_flowing_and_its_work_to_the_next(
    large, until, moment
):
    (planner,) = large.pids("planner")

    declare(large, "info@example.com", *MANY)
    if moment == "within":
        until(lambda: under_way(large), "an apply under way")
    with suppress(ProcessLookupError):
        os.kill(planner, signal.SIGKILL)

    assert large.accepts("info@example.com")
    until(lambda: large.is_at_rest, "the last of the mailboxes")
    assert large.accepts(MANY[-1])
    assert all(large.mailbox(address).is_dir() for address in MANY)
    assert planner not in large.pids("planner")


def test_a_daemon_that_is_told_to_stop_while_it_plans_stops_in_good_order(large, until):
    declare(large, "info@example.com", *MANY)
    until(lambda: under_way(large), "an apply under way")
    children = large.processes()

    assert large.stop() == 0

    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    journal = sorted((large.state / "journal").iterdir(), key=lambda it: int(it.stem))[-1]
    assert json.loads(journal.read_text().splitlines()[-1])["event"] == "end"
    large.serve()
    until(lambda: large.accepts(MANY[-1]), "the last of the mailboxes")


def test_with_a_daemon_that_is_killed_its_planner_goes_and_frees_the_lock(large, until):
    (planner,) = large.pids("planner")
    watched = os.pidfd_open(planner)
    declare(large, "info@example.com", *MANY)
    until(lambda: under_way(large), "an apply under way")

    large.daemon.send_signal(signal.SIGKILL)
    large.daemon.wait(60)

    until(lambda: gone(watched), "the planner to be gone")
    os.close(watched)
    with (large.state / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    large.serve()
    until(lambda: large.is_at_rest, "the last of the mailboxes")
    assert large.accepts(MANY[-1])
    assert all(large.mailbox(address).is_dir() for address in MANY)


def test_a_session_outlives_a_planner(large, until):
    (planner,) = large.pids("planner")
    with large.session() as session:
        os.kill(planner, signal.SIGKILL)
        declare(large, "info@example.com", "new@example.com")
        until(lambda: large.accepts("new@example.com"), "the new mailbox")

        assert session.noop()[0] == 250


def gone(watched: int) -> bool:
    """Whether the process has ended; who waits for it then is not us."""
    try:
        signal.pidfd_send_signal(watched, 0)
    except ProcessLookupError:
        return True
    return False
