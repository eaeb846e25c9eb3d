"""What somebody hears of an apply that the daemon carries out."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import fastjsonschema
import pytest

from aimx.doors.socket import client

AIMX = [sys.executable, "-m", "aimx"]
SCHEMA = fastjsonschema.compile(
    json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "event.json").read_text())
)
BOXES = [f"box{number}@example.com" for number in range(20)]


@pytest.fixture
def waiting(instance, until):
    """A daemon that applies nothing by itself, with much to do."""
    instance.declare("postmaster@example.com")
    instance.serve()
    assert instance.aimx("suspend", "--for", "1h").returncode == 0
    until(lambda: instance.has("Suspended", "True"), "the suspension")
    instance.declare("postmaster@example.com", *BOXES)
    return instance


def test_steps_are_heard_while_the_daemon_takes_them(waiting):
    done = waiting.aimx("apply", "--yes", "--events")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["type"] for event in told]
    for event in told:
        SCHEMA(event)
    assert done.returncode == 0, done.stderr
    assert (kinds[0], kinds[-1]) == ("planned", "summary")
    assert kinds.count("step-started") >= len(BOXES)
    assert kinds.count("step-finished") == told[-1]["done"]
    started = [event["step"] for event in told if event["type"] == "step-started"]
    ended = [event["step"] for event in told if event["type"] == "step-finished"]
    assert set(started) <= set(ended)


def test_an_event_comes_before_the_apply_has_ended(waiting):
    command = subprocess.Popen(
        [*AIMX, "apply", "--yes", "--events"],
        env=waiting.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with command:
        first = [json.loads(command.stdout.readline())["type"] for _ in range(2)]
        assert command.stdout.read()

    assert first == ["planned", "step-started"]
    assert command.returncode == 0


def test_a_client_that_leaves_does_not_stop_the_apply(waiting, until):
    with socket.socket(socket.AF_UNIX) as leaving:
        leaving.connect(str(waiting.base / "run" / "aimx.sock"))
        leaving.sendall(b"AIMX/1 APPLY\nEvents: true\n\n")
        assert leaving.recv(13) == b"AIMX/1 EVENT "

    until(lambda: waiting.is_at_rest, "the apply to come to its end")
    assert waiting.accepts(BOXES[-1])


def test_whoever_applies_through_a_daemon_that_is_told_to_stop_learns_how_far_it_came(waiting):
    command = subprocess.Popen(
        [*AIMX, "apply", "--yes", "--events", "--parallelism", "1"],
        env=waiting.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with command:
        first = [json.loads(command.stdout.readline())["type"] for _ in range(2)]
        stopped = waiting.stop()
        told = [json.loads(line) for line in command.stdout]

    summary = told[-1]
    ended = {event["step"]: event["outcome"] for event in told if event["type"] == "step-finished"}
    assert (first, stopped) == (["planned", "step-started"], 0)
    assert summary["type"] == "summary"
    assert (command.returncode, summary["exit"]) in ((5, 5), (0, 0))
    assert summary["not_started"] == list(ended.values()).count("not-started")
    assert bool(summary["not_started"]) == (summary["exit"] == 5)
    assert waiting.aimx("apply", "--yes").returncode == 0


def test_nobody_is_told_who_did_not_ask(waiting):
    heard = []

    reply = client.call(
        str(waiting.base / "run" / "aimx.sock"), "APPLY", {"Format": "json"}, heard=heard.append
    )

    assert isinstance(reply, client.Ok)
    assert heard == []
