"""What keeps a command from its work: in its exit code, and as data where that is asked for."""

import json
import os
import re
from pathlib import Path

import fastjsonschema
import pytest

from aimx.cli import terminal
from aimx.doors.exits import Exit
from reconcilers.host.local import LocalHost
from reconcilers.locks import apply_lock

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "refusal.json"
BLOCKED = '[mailboxes."x@example.com"]\nowner="no-such"'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x.plan"


@pytest.fixture
def grown(instance, file):
    """Two generations, and a plan for a third in a file."""
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", "info@example.com")
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", "info@example.com", "new@example.com")
    assert instance.run("plan", "--out", str(file)).exit == Exit.DONE
    return instance


def stale(instance, file):
    instance.declare("postmaster@example.com", "info@example.com", "other@example.com")
    return "apply", str(file)


def spent(instance, file):
    instance.run("apply", str(file))
    return "apply", str(file)


def damaged(instance, file):
    file.write_bytes(file.read_bytes()[:-99])
    return "apply", str(file)


def no_plan(instance, file):
    file.write_text("something else")
    return "apply", str(file)


def missing(instance, file):
    file.unlink()
    return "apply", str(file)


def consent_twice(instance, file):
    return "apply", str(file), "--allow-removals", "1"


def nobody_to_ask(instance, file):
    return ("apply",)


def nobody_to_ask_for_a_way_back(instance, file):
    return "rollback", "1"


def no_consent(instance, file):
    return "rollback", "1", "--yes"


def no_generation(instance, file):
    return "rollback", "99"


def no_generation_to_show(instance, file):
    return "history", "show", "99"


def nothing_to_compare(instance, file):
    return "diff", "1", "99"


def no_resource(instance, file):
    return "explain", "mailbox/none@example.com"


def no_tombstone(instance, file):
    return "tombstones", "restore", "none@example.com"


def another_plan(instance, file):
    return "approve", "0123456789abcdef"


def nothing_waits(instance, file):
    instance.run("apply", "--yes")
    return "approve", "0123456789abcdef"


def out_is_a_directory(instance, file):
    return "plan", "--out", str(file.parent)


CASES = {
    stale: Exit.STALE,
    spent: Exit.STALE,
    damaged: Exit.ERROR,
    no_plan: Exit.ERROR,
    missing: Exit.ERROR,
    consent_twice: Exit.USAGE,
    nobody_to_ask: Exit.REFUSED,
    nobody_to_ask_for_a_way_back: Exit.REFUSED,
    no_consent: Exit.REFUSED,
    no_generation: Exit.ERROR,
    no_generation_to_show: Exit.ERROR,
    nothing_to_compare: Exit.ERROR,
    no_resource: Exit.ERROR,
    no_tombstone: Exit.ERROR,
    another_plan: Exit.STALE,
    nothing_waits: Exit.STALE,
    out_is_a_directory: Exit.USAGE,
}


@pytest.mark.parametrize(("case", "code"), CASES.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_refusal_is_data_where_data_is_asked_for(grown, file, case, code):
    command = case(grown, file)

    text = grown.run(*command)
    data = grown.run(*command, "--json")

    document = json.loads(data.out)
    fastjsonschema.compile(json.loads(SCHEMA.read_text()))(document)
    assert (text.exit, data.exit, document["exit"]) == (code, code, code)
    assert data.err == ""
    assert text.err == f"aimx {command[0]}: {document['message']}\n"
    assert re.match("[^A-Z ]", document["message"])
    assert "\n\n" in text.err or text.err.endswith((".\n", "?\n"))


def test_each_resource_that_is_not_as_it_was_is_told_as_data(grown, file):
    told = json.loads(grown.run(*stale(grown, file), "--json").out)

    assert {each["address"] for each in told["resources"]} == {
        "config",
        "mailbox/new@example.com",
        "mailbox/other@example.com",
    }


def test_who_holds_the_lock_is_told_as_data(grown):
    roots = grown.roots
    with apply_lock(LocalHost(roots), roots, "somebody"):
        held = grown.run("apply", "--yes", "--json")

    document = json.loads(held.out)
    assert (held.exit, document["exit"]) == (Exit.LOCKED, Exit.LOCKED)
    assert f"process {os.getpid()}" in document["message"]
    assert "somebody" in document["message"]


@pytest.mark.parametrize("form", [(), ("--json",), ("--events",)], ids=" ".join)
def test_all_that_is_blocked_is_refused_by_a_saved_plan_as_by_any_other(instance, file, form):
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", rest=BLOCKED)
    instance.run("apply", "--yes")
    instance.run("plan", "--out", str(file))

    plain, saved = instance.run("apply", "--yes", *form), instance.run("apply", str(file), *form)

    assert (plain.exit, saved.exit) == (Exit.REFUSED, Exit.REFUSED)
    assert "mailbox/x@example.com" in saved.out + saved.err
    assert "Apply complete" not in saved.out + saved.err


def test_what_is_blocked_is_listed_by_an_apply_of_the_rest(instance):
    instance.declare("postmaster@example.com", rest=BLOCKED)

    ended = instance.run("apply", "--yes", "--json")

    blocked = json.loads(ended.out)["blocked"]
    assert ended.exit == Exit.PARTIAL
    assert [(each["address"], each["code"]) for each in blocked] == [
        ("mailbox/x@example.com", "owner-missing")
    ]


@pytest.mark.parametrize("command", ["apply", "rollback"])
@pytest.mark.parametrize("answer", ["no", "interrupt"])
def test_a_question_that_is_not_answered_with_yes_changes_nothing(
    grown, monkeypatch, command, answer
):
    class Typed:
        def readline(self):
            if answer == "interrupt":
                raise KeyboardInterrupt
            return f"{answer}\n"

    monkeypatch.setattr(terminal, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", Typed())
    before = grown.tree()

    ended = grown.run(command, *(("--allow-removals", "1") if command == "rollback" else ()))

    assert ended.exit == Exit.REFUSED
    assert ended.err.splitlines()[-1].casefold().endswith(("applied.", "changed."))
    assert grown.tree() == before
