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
    assert kinds.count("step-started") >= 2 * len(BOXES)
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

    until(lambda: waiting.accepts(BOXES[-1]), "the last mailbox")
    until(lambda: waiting.has("Converged", "True"), "convergence")


def test_nobody_is_told_who_did_not_ask(waiting):
    heard = []

    reply = client.call(
        str(waiting.base / "run" / "aimx.sock"), "APPLY", {"Format": "json"}, heard=heard.append
    )

    assert isinstance(reply, client.Ok)
    assert heard == []
