"""What commands print for programs is what docs/schemas promise, member by member."""

import json
import re
from pathlib import Path

import fastjsonschema
import pytest

from aimx.doors.exits import Exit

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLES = sorted((ROOT / "examples" / "manifests").glob("*.toml"))


def closed(schema):
    """The schema for ourselves: a member that is not described is a defect of the description."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: closed(value) for name, value in schema.items()}
    return {**told, "additionalProperties": False} if "properties" in schema else told


def valid(name, document):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    fastjsonschema.compile(schema)(document)
    fastjsonschema.compile(closed(schema))(document)
    return document


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(instance, request):
    text = re.sub(r'owner = "[^"]+"', f'owner = "{instance.owner}"', request.param.read_text())
    instance.manifest.write_text(text)
    return instance


def test_every_example_gives_what_the_schemas_describe(example, tmp_path):
    file = tmp_path / "x.plan"

    valid("plan", json.loads(example.run("plan", "--json", "--out", str(file)).out))
    valid("saved-plan", json.loads(file.read_text()))
    valid("apply", json.loads(example.run("apply", "--yes", "--json").out))
    valid("status", json.loads(example.run("status", "--json").out))
    valid("plan", json.loads(example.run("plan", "--json").out))


def test_what_is_blocked_and_refused_is_described(instance):
    instance.declare(*(f"box{number}@example.com" for number in range(9)))
    instance.run("apply", "--yes")
    instance.declare("a@example.com", rest='[mailboxes."x@example.com"]\nowner="no-such"')

    plan = valid("plan", json.loads(instance.run("plan", "--json").out))
    status = valid("status", json.loads(instance.run("status", "--json").out))

    assert plan["refused"]["code"] == "too-many-removals"
    assert status["resources"]


def told(instance, name, *command):
    return valid(name, json.loads(instance.run(*command, "--json").out))


def explanations(instance):
    """Of all resources there are."""
    rows = told(instance, "status", "status", "--all")["resources"]
    return {
        row["address"]: told(instance, "explanation", "explain", row["address"]) for row in rows
    }


def test_what_only_tells_is_described(instance):
    assert told(instance, "history", "history")["generations"] == []
    assert told(instance, "drift", "diff")["generation"] == 0
    fresh = explanations(instance)
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", "new@example.com")
    instance.run("apply", "--yes")
    instance.run("rollback", "--yes", "--allow-removals", "1")
    (instance.data / "README.md").unlink()
    (instance.data / "example.com" / "inbox" / "postmaster").chmod(0o755)
    (instance.data / ".aimx" / "generations" / "2" / "record.json").write_text("{")

    history = told(instance, "history", "history")["generations"]
    shown = told(instance, "generation", "history", "show", "3")
    drift = told(instance, "drift", "diff")["drift"]
    compared = told(instance, "comparison", "diff", "1", "3")
    pinned = explanations(instance)

    assert fresh["mailbox/postmaster@example.com"]["observed"] is None
    assert "damaged" in history[1]
    assert history[2]["rollback"]["former"] == 2
    valid("plan", shown["plan"])
    assert {(each["address"], each["is"]) for each in drift} == {
        ("readme", "gone"),
        ("mailbox/postmaster@example.com", "changed"),
    }
    assert (compared["from"], compared["to"]) == (1, 3)
    assert {each["pinned"] for each in pinned.values()} == {1}


def test_what_is_wrong_with_a_manifest_is_described(instance):
    instance.declare("a@b.example", rest="nonsense = 1\n")

    validated = told(instance, "problems", "validate")
    planned = told(instance, "problems", "plan")

    assert {each["severity"] for each in validated} == {"error", "warning"}
    assert planned == validated


def test_mail_that_is_set_aside_is_described(instance):
    instance.declare("postmaster@example.com", "old@example.com")
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com")
    instance.run("apply", "--yes", "--allow-removals", "1")

    (stone,) = told(instance, "tombstones", "tombstones", "list")["tombstones"]

    assert (stone["address"], stone["owner"]) == ("old@example.com", instance.owner)


def test_a_change_of_a_setting_is_described(instance):
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", rest='[domain."example.com"]\ntrust = "verified"\n')
    instance.run("apply", "--yes")

    assert told(instance, "comparison", "diff", "1", "2")["settings"]


def events(ended):
    return [valid("event", json.loads(line)) for line in ended.out.splitlines()]


def test_an_apply_tells_each_step_as_it_begins_and_ends(instance):
    told = events(instance.run("apply", "--yes", "--events"))

    kinds = [event["type"] for event in told]
    started = [event["step"] for event in told if event["type"] == "step-started"]
    finished = [event["step"] for event in told if event["type"] == "step-finished"]
    assert (kinds[0], kinds[-1]) == ("planned", "summary")
    assert set(started) <= set(finished)
    assert told[-1]["exit"] == Exit.DONE
    assert told[-1]["done"] == len(finished)
    for step in started:
        begun = next(n for n, e in enumerate(told) if e.get("step") == step)
        assert told[begun]["type"] == "step-started"


def test_the_stream_ends_with_a_summary_whatever_happens(instance, tmp_path):
    unasked = instance.run("apply", "--events")
    missing = instance.run("apply", "--events", str(tmp_path / "none"))
    instance.run("apply", "--yes")
    nothing = instance.run("apply", "--events")
    instance.manifest.write_text("no-such = 1")
    invalid = instance.run("apply", "--yes", "--events")

    ends = [events(each)[-1] for each in (unasked, missing, nothing, invalid)]
    assert [(end["type"], end["exit"]) for end in ends] == [
        ("summary", Exit.REFUSED),
        ("summary", Exit.ERROR),
        ("summary", Exit.DONE),
        ("summary", Exit.INVALID),
    ]


def test_a_saved_plan_streams_as_well(instance, tmp_path):
    file = tmp_path / "x.plan"
    instance.run("plan", "--out", str(file))

    told = events(instance.run("apply", "--events", str(file)))

    assert told[-1]["exit"] == Exit.DONE
    assert told[0]["type"] == "planned"
    assert "step-finished" in {event["type"] for event in told}


def test_one_form_at_a_time(instance):
    assert instance.run("plan", "--json", "--markdown").exit == Exit.USAGE
    assert instance.run("apply", "--json", "--events").exit == Exit.USAGE
