import json

import pytest

from desired.frozen import replace
from desired.problem import Where
from reconcilers.change import Action, Blocked, Change, Field, Fingerprint
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.report.document import document, written
from reconcilers.report.text import plan_text

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'


def test_the_document_says_what_the_plan_says(machine):
    plan = machine.plan(HEAD + INFO)

    told = document(plan)

    assert (told["format"], told["format_version"]) == ("aimx.plan", "1.0")
    assert told["plan_id"] == plan_id(plan)
    assert told["summary"]["create"] == 7
    assert [change["address"] for change in told["changes"]] == [c.address for c in plan.changes]
    assert [step["id"] for step in told["steps"]] == [step.id for step in plan.steps]
    assert next(c for c in told["changes"] if c["kind"] == "mailbox") == {
        "address": "mailbox/info@a.com",
        "kind": "mailbox",
        "action": "create",
        "symbol": "+",
        "why": "the manifest declares it",
        "where": {"file": "manifest.toml", "line": 2, "column": 12},
        "fields": [{"name": "owner", "before": "", "after": "alice"}],
        "notes": [],
        "needs": ["domain/a.com"],
        "drifted": False,
        "unasked": False,
        "fingerprint": {"desired": plan.changes[4].fingerprint.desired, "observed": ""},
        "blocked": None,
    }


def test_what_is_blocked_is_told_with_its_code_and_remedy(machine):
    machine.apply(HEAD + INFO)

    told = document(machine.plan(HEAD))

    assert told["refused"]["code"] == "too-many-removals"
    assert told["changes"][0]["blocked"] == told["refused"]
    assert told["steps"] == []


def test_no_key_and_no_file_is_in_a_document(machine):
    key = machine.host.new_private_key()
    machine.host.plant_file(machine.roots.keys("a.com") / "private.key", key)
    text = HEAD + INFO + 'trust = "none"\n[smtp]\nhostname = "canary.example"\n'

    told = written(machine.plan(text)).decode()

    assert not any(line in told for line in key.decode().split() if len(line) > 40)
    assert "max_recipients" not in told


def test_the_file_is_json_and_its_own_equal(machine):
    plan = machine.plan(HEAD + INFO)

    assert json.loads(written(plan)) == document(plan)
    assert written(plan) == written(machine.plan(HEAD + INFO))


USUAL = Change("mailbox/a@a.com", Action.CREATE, "the manifest declares it")


@pytest.mark.parametrize(
    "another",
    [
        {"action": Action.REPAIR},
        {"why": "it is gone since the last apply"},
        {"where": Where("manifest.toml", 3, 1)},
        {"fields": (Field("owner", "", "alice"),)},
        {"notes": ("Mail is there.",)},
        {"needs": ("domain/a.com",)},
        {"drifted": True},
        {"unasked": True},
        {"fingerprint": Fingerprint("desired", "observed")},
        {"blocked": Blocked("in-the-way", "a file is in the way", "move it away")},
    ],
    ids="".join,
)
def test_changes_that_differ_in_one_part_are_each_told_as_alone(another):
    changes = (USUAL, replace(USUAL, address="mailbox/b@a.com", **another))

    together, *alone = (Plan(1, "digest", each, (), 0) for each in (changes, *zip(changes)))

    assert document(together)["changes"] == [each["changes"][0] for each in map(document, alone)]
    told = [plan_text(each).split("\n\n")[0] for each in (together, *alone)]
    assert told[0] == "\n".join(told[1:])
    same = Plan(1, "digest", (USUAL, replace(USUAL, address="mailbox/b@a.com")), (), 0)
    planned = {"action", "fingerprint", "fields", "blocked"}
    assert (plan_id(together) == plan_id(same)) is planned.isdisjoint(another)
