"""`aimx watch`: the controller without the mail engine, as a process of its own and for cron."""

import json
import signal
import socket
from pathlib import PurePosixPath

import pytest

from aimx.doors.exits import Exit
from aimx.doors.socket import client
from reconcilers.host.local import LocalHost
from reconcilers.locks import apply_lock
from reconcilers.roots import Roots

POSTMASTER, INFO = "postmaster@example.com", "info@example.com"


@pytest.fixture
def watched(instance, until):
    """Applied once, and watched."""
    instance.declare(POSTMASTER)
    instance.serve(command="watch")
    until(lambda: instance.is_at_rest, "the first apply")
    return instance


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_an_edit_is_applied_and_nobody_receives_mail(watched, until):
    watched.declare(POSTMASTER, INFO)
    until(lambda: watched.is_at_rest, "the edit to be applied")

    assert watched.mailbox(INFO).is_dir()
    status = watched.aimx("status").stdout
    assert watched.condition("EngineActive")["reason"] == "NoEngine"
    assert watched.condition("Ready")["status"] == "Unknown"
    assert "without the mail engine (`aimx watch`)" in status
    assert watched.processes() == {}
    assert not answers(watched.port)
    written = watched.state / "status.json"
    until(lambda: json.loads(written.read_text())["generation"] == 2, "how it stands, on disk")


def test_nobody_else_serves_meanwhile(watched):
    other = watched.aimx("serve")
    again = watched.aimx("watch")
    once = watched.aimx("watch", "--once")

    assert [each.returncode for each in (other, again, once)] == [Exit.LOCKED] * 3
    assert "aimx watch" in other.stderr


def test_commands_reach_it_as_they_reach_the_daemon(watched, until):
    assert watched.aimx("suspend", "--for", "1h").returncode == 0
    until(lambda: watched.has("Suspended", "True"), "the suspension")
    watched.declare(POSTMASTER, INFO)
    until(lambda: watched.has("Converged", "False"), "the edit to be seen")
    assert watched.aimx("resume").returncode == 0
    until(watched.mailbox(INFO).is_dir, "the mailbox")

    watched.declare(POSTMASTER)
    until(lambda: watched.has("PendingApproval", "True"), "the removal to wait")
    plan = watched.status()["pending_plan"]
    assert watched.aimx("approve", plan).returncode == 0
    assert not watched.mailbox(INFO).exists()

    back = watched.aimx("rollback", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert watched.mailbox(INFO).is_dir()


def test_an_apply_waits_for_it_and_for_no_engine(watched):
    watched.aimx("suspend", "--for", "1h")
    watched.declare(POSTMASTER, INFO)

    done = watched.aimx("apply", "--yes", "--wait")

    assert done.returncode == 0, done.stderr
    assert "no engine runs beside `aimx watch`" in done.stdout


def test_nothing_is_sent_without_an_engine(watched):
    reply = watched.ask("SEND", {"Content-Length": "2"}, b"x\n")

    assert isinstance(reply, client.Err)
    assert reply.code == "TEMP"
    assert "aimx watch" in reply.reason


def test_a_broken_manifest_leaves_what_was_applied_and_is_told(watched, until):
    watched.write("nonsense")
    until(lambda: watched.has("ManifestValid", "False"), "the problem")
    watched.daemon.send_signal(signal.SIGHUP)
    watched.declare(POSTMASTER, INFO)

    until(watched.mailbox(INFO).is_dir, "the mailbox")


def test_it_goes_when_it_is_told_to_and_leaves_no_door_and_no_number(watched):
    assert watched.stop() == 0
    left = {path.name for path in (watched.base / "run").iterdir()}
    assert left & {"aimx.sock", "aimx.pid"} == set()

    watched.serve()
    assert watched.accepts(POSTMASTER)


def test_with_nothing_applied_it_waits_for_an_approval(instance, until):
    instance.declare(POSTMASTER, rest='[controller]\nauto_apply = "none"\n')
    instance.serve(command="watch")
    until(lambda: instance.has("PendingApproval", "True"), "the plan")

    assert not instance.mailbox(POSTMASTER).exists()
    assert instance.aimx("approve", instance.status()["pending_plan"]).returncode == 0
    assert instance.mailbox(POSTMASTER).is_dir()


def test_once_applies_what_may_be_and_then_has_nothing_to_say(instance):
    instance.declare(POSTMASTER)

    first = instance.aimx("watch", "--once")
    again = instance.aimx("watch", "--once", "--detailed-exitcode")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert instance.mailbox(POSTMASTER).is_dir()
    assert (again.stdout, again.stderr) == ("", "")
    assert not (instance.base / "run" / "aimx.sock").exists()


def test_once_leaves_removals_for_a_person(instance):
    instance.declare(POSTMASTER, INFO)
    assert instance.aimx("watch", "--once").returncode == 0
    instance.declare(POSTMASTER)

    unattended = instance.aimx("watch", "--once")
    detailed = instance.aimx("watch", "--once", "--detailed-exitcode")

    assert (unattended.returncode, detailed.returncode) == (0, Exit.PENDING)
    assert "waits for approval" in unattended.stderr
    assert instance.mailbox(INFO).is_dir()


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        pytest.param("nonsense", Exit.INVALID, id="invalid"),
        pytest.param(
            'domains = ["example.com"]\n[mailboxes."a@example.com"]\nowner = "no-such-user"\n',
            Exit.REFUSED,
            id="blocked",
        ),
    ],
)
def test_once_ends_in_what_is_wrong(instance, manifest, code):
    instance.declare(POSTMASTER)
    assert instance.aimx("watch", "--once").returncode == 0
    instance.write(manifest)

    ended = instance.aimx("watch", "--once")

    assert ended.returncode == code, ended.stderr
    assert ended.stderr


def test_once_while_somebody_else_applies_ends_as_any_command_does(instance):
    instance.declare(POSTMASTER)
    assert instance.aimx("watch", "--once").returncode == 0
    instance.declare(POSTMASTER, INFO)

    config, data, run = (PurePosixPath(instance.base / name) for name in ("config", "data", "run"))
    roots = Roots(config, data, run, config / "manifest.toml")
    with apply_lock(LocalHost(roots), roots, "a test"):
        ended = instance.aimx("watch", "--once")

    assert ended.returncode == Exit.LOCKED, ended.stderr
    assert "is held by" in ended.stderr
    assert not instance.mailbox(INFO).exists()


def test_once_where_nobody_can_tell_what_is_in_force_applies_nothing(instance):
    instance.declare(POSTMASTER)
    assert instance.aimx("watch", "--once").returncode == 0
    (instance.base / "data" / ".aimx" / "pin.json").write_text("{")
    instance.declare(POSTMASTER, INFO)

    ended = instance.aimx("watch", "--once")

    assert ended.returncode == Exit.ERROR, ended.stderr
    assert not instance.mailbox(INFO).exists()


def test_without_anything_to_go_on_with_it_says_what_is_wrong(instance):
    instance.write("nonsense")

    assert instance.aimx("watch").returncode == Exit.INVALID
    assert instance.aimx("watch", "--once").returncode == Exit.INVALID
    assert instance.aimx("watch", "--detailed-exitcode").returncode == Exit.USAGE
