"""What each exit code means, as `docs` and scripts have it."""

import json
import os
import signal
from pathlib import PurePosixPath

import pytest

from aimx.cli.attended import attended
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from reconcilers.host.local import LocalHost
from reconcilers.journal import Journal, unfinished
from reconcilers.locks import apply_lock
from reconcilers.roots import Roots


def roots(instance):
    return Roots(
        PurePosixPath(instance.base / "config"),
        PurePosixPath(instance.data),
        PurePosixPath(instance.base / "run"),
        PurePosixPath(instance.manifest),
    )


def test_a_plan_that_was_shown_is_a_success(instance):
    assert instance.run("plan").exit == Exit.DONE
    assert instance.run("plan", "--detailed-exitcode").exit == Exit.PENDING


def test_an_apply_that_did_all_is_a_success_and_leaves_nothing_to_do(instance):
    assert instance.run("apply", "--yes").exit == Exit.DONE

    assert instance.run("plan", "--detailed-exitcode").exit == Exit.DONE
    assert instance.run("apply").exit == Exit.DONE


def test_a_plan_writes_nothing(instance):
    before = instance.tree()

    instance.run("plan")
    instance.run("status")
    instance.run("validate")

    assert instance.tree() == before


def test_without_a_terminal_and_without_yes_nothing_is_applied(instance):
    before = instance.tree()

    ended = instance.run("apply")

    assert ended.exit == Exit.REFUSED
    assert "Add --yes" in ended.err
    assert instance.tree() == before


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_an_invalid_manifest_has_an_exit_code_of_its_own(instance, command):
    instance.manifest.write_text('domains = ["example.com"]\nno-such = 1\nnor-this = 2\n')
    before = instance.tree()

    told = instance.run(command)
    data = instance.run(command, "--json")

    assert (told.exit, told.out) == (Exit.INVALID, "")
    assert "2 errors; nothing was changed." in told.err
    assert data.exit == Exit.INVALID
    assert [p["code"] for p in json.loads(data.out) if p["severity"] == "error"] == [
        "unknown-key",
        "unknown-key",
    ]
    assert instance.tree() == before


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_of_very_many_problems_some_are_shown_and_all_are_counted_and_in_the_data(
    instance, command
):
    wrong = "".join(f"wrong{number} = 1\n" for number in range(1000))
    instance.manifest.write_text(f'domains = ["example.com"]\n{wrong}')

    told, data = instance.run(command), instance.run(command, "--json")

    assert told.exit == Exit.INVALID
    assert told.err.count("[unknown-key]") == 40
    assert "more, which `aimx validate --json` lists" in told.err
    assert "1,000 errors; nothing was changed." in told.err
    assert data.out.count('"unknown-key"') == 1000


def test_while_somebody_else_applies_nobody_can(instance):
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", "info@example.com")

    with apply_lock(LocalHost(roots(instance)), roots(instance), "somebody"):
        ended = instance.run("apply", "--yes")

    assert ended.exit == Exit.LOCKED
    assert "somebody" in ended.err


def test_what_safety_refuses_is_not_applied(instance):
    boxes = [f"box{number}@example.com" for number in range(9)]
    instance.declare("postmaster@example.com", *boxes)
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com")

    refused = instance.run("apply", "--yes")
    allowed = instance.run("apply", "--yes", "--allow-removals", "9")

    assert refused.exit == Exit.REFUSED
    assert "--allow-removals 9" in refused.out
    assert allowed.exit == Exit.DONE


def test_an_apply_that_leaves_out_what_is_blocked_is_applied_in_part(instance):
    instance.declare("postmaster@example.com", rest='[mailboxes."x@example.com"]\nowner="no-such"')

    first, second = instance.run("apply", "--yes"), instance.run("apply", "--yes")

    assert first.exit == Exit.PARTIAL
    assert "blocked (owner-missing)" in first.out
    assert second.exit == Exit.REFUSED


def test_a_step_that_fails_is_told_and_the_rest_is_counted(instance):
    instance.run("apply", "--yes")
    (instance.data / "example.com" / "sent" / "postmaster").rmdir()
    (instance.data / "example.com" / "sent").rmdir()
    blocked = instance.data / "example.com" / ".sent.aimx-new"
    blocked.write_text("in the way of the directory that is made under this name")

    ended = instance.run("apply", "--yes")

    assert ended.exit == Exit.PARTIAL
    assert "FAILED domain/example.com" in ended.err
    assert "Apply INCOMPLETE" in ended.err


def test_a_machine_that_cannot_be_changed_is_told_in_a_sentence(instance):
    instance.data.mkdir()
    (instance.data / ".aimx").write_text("a file")

    ended = instance.run("apply", "--yes")

    assert ended.exit == Exit.REFUSED
    assert "is a file where a directory belongs" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--no-such"),
        ("plan", "more"),
        ("plan", "--allow-removals", "-1"),
        ("no-such",),
        ("apply", "--parallelism", "0"),
        ("apply", "--parallelism", "65"),
        ("apply", "a", "b"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_never_reads_as_pending(instance, arguments):
    assert instance.run(*arguments).exit == Exit.USAGE


def test_after_a_killed_apply_the_next_makes_sure_of_the_disk_even_with_nothing_to_do(instance):
    instance.run("apply", "--yes")
    host = LocalHost(roots(instance))
    Journal(host, roots(instance), 1).begin()
    assert unfinished(host, roots(instance))

    ended = instance.run("apply")

    assert ended.exit == Exit.DONE
    assert "No changes." in ended.out
    assert not unfinished(host, roots(instance))


def test_data_is_all_that_json_prints(instance):
    plan = instance.run("plan", "--json")
    applied = instance.run("apply", "--yes", "--json")
    nothing = instance.run("apply", "--yes", "--json")

    assert json.loads(plan.out)["format"] == "aimx.plan"
    assert json.loads(applied.out)["plan_id"] == json.loads(plan.out)["plan_id"]
    assert json.loads(nothing.out)["changes"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_an_apply_before_its_next_step(number):
    handled = signal.getsignal(number)

    with attended() as watched:
        before = watched.stop()
        os.kill(os.getpid(), number)
        after = watched.stop()

    assert (before, after) == (False, True)
    assert signal.getsignal(number) is handled


def test_a_stopped_apply_says_what_it_did_not_begin(instance, monkeypatch):
    class Stopped:
        def __init__(self, *given):
            pass

        def __enter__(self):
            return Watched(stop=lambda: True)

        def __exit__(self, *ended):
            return None

    monkeypatch.setattr("aimx.cli.attended.attended", Stopped)

    ended = instance.run("apply", "--yes")

    assert ended.exit == Exit.PARTIAL
    assert "0 done, 0 failed, 0 skipped" in ended.err
    assert "not started" in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_machine_that_lets_nobody_begin_is_told_in_a_sentence(instance):
    instance.data.mkdir(mode=0o500)

    ended = instance.run("apply", "--yes")

    assert ended.exit == Exit.ERROR
    assert "this user may not go there" in ended.err


def test_no_more_generations_are_kept_than_the_policy_says(instance):
    for number in range(4):
        instance.declare(
            "postmaster@example.com", f"x{number}@example.com", rest="[policy]\nkeep_generations=2"
        )
        assert instance.run("apply", "--yes", "--allow-removals", "9").exit == Exit.DONE

    kept = (instance.data / ".aimx" / "generations").iterdir()
    assert sorted(path.name for path in kept) == ["3", "4"]


@pytest.mark.parametrize(
    ("command", "beginning"), [("serve", "supervisor.serve"), ("watch", "watcher.watch")]
)
def test_no_hangup_ends_a_daemon_that_has_yet_to_begin(instance, monkeypatch, command, beginning):
    heard = []

    def begin(*_: object, **__: object) -> int:
        heard.append(signal.getsignal(signal.SIGHUP))
        return 0

    monkeypatch.setattr(f"aimx.processes.{beginning}", begin)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        instance.run(command)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert heard == [signal.SIG_IGN]
