"""The command as scripts see it: exit codes, output, and the same answers from everybody."""

import fcntl
import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aimx.cli import administer
from aimx.cli.main import main
from aimx.doors.socket.client import Err, Ok

BY_HAND = '[controller]\nauto_apply = "none"'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")


@pytest.fixture(scope="module")
def served(make_for_all):
    """A daemon that changes nothing by itself, and has something to do."""
    instance = make_for_all("serving")
    instance.declare("info@example.com", "gone@example.com", rest=BY_HAND)
    instance.apply()
    instance.serve()
    edit(instance)
    return instance


def edit(instance) -> None:
    instance.declare(
        *("info@example.com", "new@two.example"),
        domains=("example.com", "two.example"),
        rest=BY_HAND,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param((), 64, id="nothing"),
        pytest.param(("--help",), 0, id="help"),
        pytest.param(("--version",), 0, id="version"),
        pytest.param(("paln",), 64, id="no-such-command"),
        pytest.param(("plan", "--nonsense"), 64, id="no-such-option"),
        pytest.param(("apply", "too", "much"), 64, id="too-much"),
        pytest.param(("apply", "--allow-removals", "some"), 64, id="no-number"),
        pytest.param(("plan", "--help"), 0, id="help-of-a-command"),
    ],
)
def test_how_a_command_line_was_understood(instance, arguments, code):
    done = instance.aimx(*arguments)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert (done.stdout or done.stderr).startswith(("usage:", "AIMX "))


def test_exit_codes_tell_how_things_stand(instance):
    instance.declare("info@example.com")
    codes = {
        name: instance.aimx(*arguments).returncode
        for name, arguments in {
            "valid": ("validate",),
            "planned": ("plan",),
            "pending": ("plan", "--detailed-exitcode"),
            "status pending": ("status", "--detailed-exitcode"),
            "nobody to ask": ("apply",),
            "nobody to send": (
                *("send", "--from", "info@example.com", "--to", "a@example.org"),
                *("--subject", "x", "--body", "x"),
            ),
            "applied": ("apply", "--yes"),
            "applied again": ("apply", "--yes"),
            "converged": ("plan", "--detailed-exitcode"),
            "status converged": ("status", "--detailed-exitcode"),
        }.items()
    }

    assert codes == {
        "valid": 0,
        "planned": 0,
        "pending": 2,
        "status pending": 2,
        "nobody to ask": 4,
        "nobody to send": 2,
        "applied": 0,
        "applied again": 0,
        "converged": 0,
        "status converged": 0,
    }


def test_a_daemon_that_may_not_apply_does_not_begin_with_nothing(instance):
    instance.declare("info@example.com", rest=BY_HAND)

    done = instance.aimx("serve")

    assert done.returncode == 4
    assert "aimx apply" in done.stderr
    assert list(instance.data.iterdir()) == []


def test_who_applies_at_the_same_time_is_refused(instance):
    instance.declare("info@example.com")
    instance.apply()
    instance.declare("info@example.com", "more@example.com")
    with (instance.state / "lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        done = instance.aimx("apply", "--yes")

    assert done.returncode == 6
    assert "is held by" in done.stderr
    assert not instance.mailbox("more@example.com").exists()


@needs_root
@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("apply", "--yes"),
        ("serve",),
        ("suspend", "--for", "1h"),
        ("status",),
        ("explain", "config"),
        ("rollback", "--layout", "1", "--plan"),
    ],
    ids=" ".join,
)
def test_root_takes_no_instance_away_from_its_user(instance, arguments):
    instance.declare("info@example.com")
    instance.apply()
    nobody = pwd.getpwnam("nobody").pw_uid
    # As it stands where nobody runs an instance of their own.
    theirs = [instance.base, *instance.base.rglob("*")]
    for path in theirs:
        os.chown(path, nobody, -1)

    done = instance.aimx(*arguments)

    assert done.returncode == 1
    assert f"belongs to uid {nobody}, not to uid 0" in done.stdout + done.stderr
    assert {path.stat().st_uid for path in [instance.base, *instance.base.rglob("*")]} == {nobody}


def test_more_removals_than_the_policy_allows_need_their_number(instance):
    few = "[policy]\nmax_removals = 1"
    instance.declare(*(f"{name}@example.com" for name in "abc"), rest=few)
    instance.apply()
    instance.declare("a@example.com", rest=few)

    refused = instance.aimx("apply", "--yes")
    assert refused.returncode == 4
    assert "--allow-removals 2" in refused.stdout + refused.stderr
    assert instance.mailbox("c@example.com").is_dir()

    instance.apply("--allow-removals", "2")

    assert not instance.mailbox("c@example.com").exists()
    assert len(list((instance.state / "tombstones").iterdir())) == 2


@pytest.mark.parametrize(
    "arguments",
    [("plan",), ("apply", "--yes"), ("status",), ("validate",), ("schema",)],
    ids=lambda arguments: arguments[0],
)
def test_data_is_data(instance, arguments):
    instance.declare("info@example.com")
    options = () if arguments == ("schema",) else ("--json",)

    done = instance.aimx(*arguments, *options)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) is not None
    assert done.stderr == ""


def told(instance, text: str) -> str:
    """What is left of the output without what differs between two runs."""
    text = text.replace(str(instance.base), "BASE")
    return re.sub(r"\b\d+\.\d+s\b", "N s", text.replace(str(instance.port), "PORT"))


def test_a_plan_and_an_apply_answer_the_same_with_a_daemon_and_without(make):
    alone, serving = make("alone--"), make("serving")
    outputs = []
    for instance in (alone, serving):
        instance.declare("info@example.com", "gone@example.com", rest=BY_HAND)
        instance.apply()
        if instance is serving:
            instance.serve()
        edit(instance)
        answers = [instance.aimx("plan"), instance.aimx("apply", "--yes"), instance.aimx("plan")]
        outputs.append(
            [(a.returncode, told(instance, a.stdout), told(instance, a.stderr)) for a in answers]
        )

    (planned, (code, applied, trouble), afterwards), served = outputs
    hint = "No daemon runs here to take it up; `aimx serve` begins with it.\n"
    assert [planned, (code, applied.removesuffix(hint), trouble), afterwards] == served
    assert applied.endswith(f"Generation 2.\n{hint}")


def test_a_plan_of_yesterday_is_not_applied(served):
    planned = served.ask("PLAN")
    assert isinstance(planned, Ok)
    text = served.manifest.read_text()
    served.write(text.replace("new@two.example", "other@two.example"))

    applied = served.ask("APPLY", {"Plan": planned.document["plan_id"]})

    served.write(text)
    assert isinstance(applied, Ok)
    assert applied.document["exit"] == 3
    assert "aimx plan" in applied.document["output"]
    assert not (served.data / "two.example").exists()


def test_a_daemon_that_may_not_apply_says_what_waits(served, until):
    def waiting() -> list[str]:
        return served.condition("PendingApproval")["message"].splitlines()

    until(lambda: "create mailbox/new@two.example" in waiting(), "the edit to be noticed")

    assert served.has("PendingApproval", "True")
    assert "quarantine mailbox/gone@example.com" in waiting()


def test_a_request_for_another_instance_is_not_answered_by_this_one(served, instance):
    answer = served.ask("PLAN", {"Data-Dir": str(instance.data)})

    assert isinstance(answer, Err)
    assert answer.code == "ECONFLICT"


@needs_root
def test_only_an_administrator_plans_and_applies(served):
    answers = [served.ask(verb, uid=65534) for verb in ("PLAN", "APPLY")]

    assert answers == [Err("EACCES", "not authorized")] * 2


@needs_root
@pytest.mark.parametrize(
    ("uid", "mailboxes"),
    [
        pytest.param(65534, ["gone@example.com", "info@example.com"], id="owner"),
        pytest.param(1, [], id="stranger"),
    ],
)
def test_status_tells_everybody_of_their_own_mailboxes_alone(served, uid, mailboxes):
    answer = served.ask("STATUS", uid=uid)

    assert isinstance(answer, Ok)
    assert answer.document["mailboxes"] == mailboxes
    assert answer.document["resources"] == []
    assert {each["message"] for each in answer.document["conditions"]} == {""}
    assert not answer.document.keys() & {"last_applied", "last_attempted"}


def test_a_first_instance_is_made_with_three_commands(make):
    instance = make("first")
    aimx = f"'{sys.executable}' -m aimx"
    base, env = instance.base, instance.base / "env"
    made = instance.aimx("init", str(base), "--domain", "agents.example")
    assert made.returncode == 0, made.stderr
    assert f". {env}" in made.stdout
    text = instance.manifest.read_text()
    free = re.sub(r"bind = .*", f'bind = ["127.0.0.1:{instance.port}"]', text)
    instance.write(f'{free}\n[dns]\nresolvers = ["{instance.resolver}"]\n')

    script = f". '{env}' && {aimx} plan && {aimx} apply --yes && {aimx} plan --detailed-exitcode"
    done = subprocess.run(
        ["sh", "-ec", script], cwd=Path.cwd(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Apply complete" in done.stdout
    instance.serve()
    assert instance.deliver(b"Subject: first\r\n\r\nHello.\r\n", "agent@agents.example") == 250
    assert instance.letter("agent@agents.example", "first")


def test_a_manifest_that_is_there_is_not_overwritten(instance):
    instance.declare("info@example.com")
    before = instance.manifest.read_bytes()

    done = instance.aimx("init", str(instance.base))

    assert done.returncode == 1
    assert instance.manifest.read_bytes() == before


@pytest.mark.parametrize("form", [[], ["--json"], ["--events"]], ids=["text", "json", "events"])
def test_a_yes_holds_for_what_a_daemon_has_left_of_an_edit_that_it_took_up_itself(
    instance, until, monkeypatch, capsys, form
):
    instance.declare("info@example.com")
    instance.serve()
    assert instance.aimx("suspend", "--for", "1h").returncode == 0
    instance.declare("info@example.com", "more@example.com")
    applies = []

    def overtaken(*arguments):
        if not applies:
            applies.append(instance.aimx("resume"))
            until(lambda: instance.accepts("more@example.com"), "the daemon to be faster")
            until(lambda: instance.is_at_rest, "it to be done")
        return carry_out(*arguments)

    carry_out = administer.apply
    monkeypatch.setattr(administer, "apply", overtaken)
    for name, value in instance.environment.items():
        monkeypatch.setenv(name, value)

    code = main(["apply", "--yes", *form])

    told = capsys.readouterr()
    assert len(applies) == 1, told
    assert (code, told.err) == (0, "")
