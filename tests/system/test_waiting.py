"""`aimx apply --wait` against a daemon that runs."""

import json
from pathlib import Path

import fastjsonschema
import pytest

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.fixture
def served(instance):
    instance.declare("postmaster@example.com")
    instance.serve()
    return instance


def described(name, document):
    fastjsonschema.compile(json.loads((SCHEMAS / f"{name}.json").read_text()))(document)
    return document


def test_it_ends_once_the_engine_runs_what_was_applied(served):
    served.aimx("suspend", "--for", "1h")
    served.declare("postmaster@example.com", "info@example.com")

    done = served.aimx("apply", "--yes", "--wait")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the engine runs generation 2." in done.stdout
    assert served.accepts("info@example.com")


def test_nothing_to_do_is_waited_for_as_well(served):
    done = served.aimx("apply", "--wait", "--json")
    events = served.aimx("apply", "--wait", "--events")

    told = [described("event", json.loads(line)) for line in events.stdout.splitlines()]
    assert (done.returncode, events.returncode) == (0, 0), done.stderr + events.stderr
    assert [event["type"] for event in told] == ["planned", "waited", "summary"]
    assert told[1]["converged"]


def test_data_of_an_apply_hold_how_the_waiting_ended(served):
    served.aimx("suspend", "--for", "1h")
    served.declare("postmaster@example.com", "info@example.com")

    done = served.aimx("apply", "--yes", "--json", "--wait")

    document = described("apply", json.loads(done.stdout))
    assert document["wait"]["converged"], done.stderr
    assert document["wait"]["missing"] == []
