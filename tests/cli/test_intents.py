"""Going back, suspending and approving without a daemon."""

from __future__ import annotations

import json
import os
import pwd

import pytest


@pytest.fixture
def grown(instance):
    """Generation 1 has one mailbox, generation 2 one more."""
    assert instance.run("apply", "--yes").exit == 0
    instance.declare("postmaster@example.com", "info@example.com")
    assert instance.run("apply", "--yes").exit == 0
    return instance


def who() -> str:
    """As the history has whoever applies."""
    return pwd.getpwuid(os.geteuid()).pw_name


def boxes(instance) -> list[str]:
    return sorted(path.name for path in (instance.data / "example.com" / "inbox").iterdir())


def test_a_rollback_asks_for_each_removal_and_is_pinned(grown):
    unasked = grown.run("rollback", "--yes")
    done = grown.run("rollback", "--yes", "--allow-removals", "1", "--reason", "too early")
    planned, status = grown.run("plan"), grown.run("status")

    assert unasked.exit == 4
    assert "--allow-removals 1" in unasked.err
    assert done.exit == 0, done.err
    assert "pinned until" in done.out
    assert boxes(grown) == ["postmaster"]
    assert f"by {who()}: too early" in " ".join(done.out.split())
    assert "Pinned until" in planned.out
    assert "too early" in planned.out
    assert "No changes." in planned.out
    assert "Pinned to the manifest of generation 1" in status.out
    assert len(list((grown.data / ".aimx" / "tombstones").iterdir())) == 1


def test_what_is_pinned_stays_on_record_however_few_are_kept(instance):
    few = "[policy]\nkeep_generations = 2\n"
    for boxes in ((), ("info@example.com",)):
        instance.declare("postmaster@example.com", *boxes, rest=few)
        assert instance.run("apply", "--yes").exit == 0

    back = instance.run("rollback", "1", "--yes", "--allow-removals", "1")

    assert back.exit == 0, back.err
    kept = (instance.data / ".aimx" / "generations").iterdir()
    assert sorted(path.name for path in kept) == ["1", "2", "3"]
    assert "No changes." in instance.run("plan").out


def test_nothing_is_deleted_on_the_way_back_whatever_a_block_said_then(instance):
    block = '[[removed]]\naddress = "mailbox/info@example.com"\ndata = "delete"\n'
    both = ("postmaster@example.com", "info@example.com")
    for boxes, rest in ((both, ""), (both[:1], block), (both, "")):
        instance.declare(*boxes, rest=rest)
        assert instance.run("apply", "--yes").exit == 0
    (instance.data / "example.com/inbox/info/2026-01-02-030405-new.md").write_text("mail")

    unasked = instance.run("rollback", "2", "--yes")
    back = instance.run("rollback", "2", "--yes", "--allow-removals", "1")

    assert (unasked.exit, back.exit) == (4, 0), back.err
    (stone,) = (instance.data / ".aimx" / "tombstones").iterdir()
    assert (stone / "inbox" / "2026-01-02-030405-new.md").read_text() == "mail"


def test_a_guard_names_the_rollback_that_lifts_it(instance):
    assert instance.run("apply", "--yes").exit == 0
    instance.declare("postmaster@example.com", *(f"box{n}@example.com" for n in range(9)))
    assert instance.run("apply", "--yes").exit == 0

    refused = instance.run("rollback", "1", "--yes")
    data = json.loads(instance.run("rollback", "1", "--json").out)
    allowed = instance.run("rollback", "1", "--yes", "--allow-removals", "9")

    assert refused.exit == 4
    assert "aimx rollback 1 --allow-removals 9" in " ".join(refused.out.split())
    assert "aimx apply --allow-removals" not in refused.out
    assert "aimx rollback 1 --allow-removals 9" in data["refused"]["remedy"]
    assert allowed.exit == 0, allowed.err


def test_what_looks_at_the_manifest_in_force_says_that_it_is_pinned(grown):
    grown.run("rollback", "--yes", "--allow-removals", "1")

    box = "mailbox/postmaster@example.com"
    explained = grown.run("explain", box)
    data = json.loads(grown.run("explain", box, "--json").out)
    drawn = [grown.run("graph", "--format", language).out for language in ("mermaid", "dot")]
    history, shown = grown.run("history").out, grown.run("history", "show", "3").out

    assert "Pinned until" in explained.out
    assert "manifest.toml:2 in generation 1):" in explained.out
    assert data["pinned"] == 1
    assert all("manifest of generation 1, which is pinned." in each for each in drawn)
    assert "back from 2 to 1" in history.splitlines()[-1]
    assert "Rolled back from generation 2 to the manifest of generation 1" in " ".join(
        shown.split()
    )


def test_a_rollback_that_is_only_shown_writes_nothing(grown):
    before = grown.tree()

    shown = grown.run("rollback", "--plan", "--allow-removals", "1")

    assert shown.exit == 0
    assert "q mailbox/info@example.com" in shown.out
    assert grown.tree() == before


def test_nobody_goes_back_unasked(grown):
    before = grown.tree()

    assert grown.run("rollback").exit == 4
    assert grown.tree() == before


@pytest.mark.parametrize(
    ("number", "told"), [("7", "generation 7 is not on record"), ("1", "damaged")]
)
def test_what_cannot_be_gone_back_to_is_told_and_changes_nothing(grown, number, told):
    (grown.data / ".aimx/generations/1/record.json").write_text("{")
    before = grown.tree()

    refused = grown.run("rollback", number, "--yes")

    assert refused.exit == 1
    assert told in refused.err
    assert grown.tree() == before


def test_why_nobody_can_go_back_stands_behind_the_command(grown):
    grown.data.rename(grown.data.with_name("elsewhere"))
    grown.data.mkdir()

    ended = grown.run("rollback", "--yes")

    assert (ended.exit, ended.out) == (4, "")
    assert ended.err.startswith("aimx rollback: ")
    assert "may not be mounted" in ended.err


def test_what_is_in_force_already_is_pinned_where_somebody_says_so(grown):
    assert grown.run("rollback", "2", "--yes").exit == 0

    grown.declare("postmaster@example.com", "info@example.com", "more@example.com")

    assert "No changes." in grown.run("plan").out


def test_resume_puts_the_manifest_on_disk_in_force(grown):
    grown.run("rollback", "--yes", "--allow-removals", "1")

    resumed = grown.run("resume")
    again = grown.run("resume")

    assert resumed.exit == 0
    assert "in force again" in resumed.out
    assert "Nothing was pinned or suspended" in again.out
    assert "+ mailbox/info@example.com" in grown.run("plan").out


def test_a_damaged_pin_is_told_with_the_way_out(grown):
    (grown.data / ".aimx/pin.json").write_text('{"generation"')

    planned, resumed = grown.run("plan"), grown.run("resume")

    assert planned.exit == 1
    assert "`aimx resume` removes it" in planned.err
    assert resumed.exit == 0
    assert grown.run("plan").exit == 0


@pytest.mark.parametrize("given", [[], ["--for", "ever"], ["--for", "0h"], ["--for", "2h\n"]])
def test_a_suspension_has_an_end(instance, given):
    refused = instance.run("suspend", *given)

    assert refused.exit == 64
    assert "--for" in refused.err


def test_a_reason_is_one_line(instance):
    assert instance.run("suspend", "--for", "2h", "--reason", "a\nPlan: b").exit == 64


def test_a_suspension_is_shown_and_keeps_nobody_from_applying(grown):
    suspended = grown.run("suspend", "--for", "2h", "--reason", "moving")
    grown.declare("postmaster@example.com", "info@example.com", "more@example.com")
    applied = grown.run("apply", "--yes")
    status = json.loads(grown.run("status", "--json").out)

    assert suspended.exit == applied.exit == 0
    assert "Suspended until" in applied.out
    assert all(f"by {who()}: moving" in each for each in (suspended.out, applied.out))
    assert "more" in boxes(grown)
    told = {each["type"]: each for each in status["conditions"]}["Suspended"]
    assert (told["status"], told["reason"]) == ("True", "AskedFor")
    assert told["message"].endswith(f"by {who()}: moving")


def test_the_plan_of_this_id_is_approved_and_no_other(grown):
    grown.declare("postmaster@example.com")
    other = grown.run("approve", "0123456789abcdef")
    meant = other.err.strip().rpartition(" ")[2]
    approved = grown.run("approve", meant)

    assert other.exit == 3
    assert "q mailbox/info@example.com" in other.err
    assert approved.exit == 0, approved.err
    assert boxes(grown) == ["postmaster"]
    assert grown.run("approve", meant).exit == 3
    assert grown.run("approve", "info").exit == 64


def test_nobody_goes_back_to_layout_1_unasked(grown):
    before = grown.tree()

    unasked = grown.run("rollback", "--layout", "1")
    shown = grown.run("rollback", "--layout", "1", "--plan")

    assert (unasked.exit, shown.exit) == (4, 0)
    assert "Add --yes" in unasked.err
    assert grown.tree() == before


def test_a_way_back_that_was_killed_at_its_end_is_made_sure_of(grown):
    grown.run("rollback", "--layout", "1", "--yes")
    journal = max((grown.data / ".aimx" / "journal").iterdir())
    ended = journal.read_text()
    journal.write_text("".join(ended.splitlines(keepends=True)[:-1]))

    shown = grown.run("rollback", "--layout", "1", "--plan")
    unended = journal.read_text()
    again = grown.run("rollback", "--layout", "1", "--yes")

    assert (shown.exit, again.exit) == (0, 0)
    assert '"event": "end", "synced": true' not in unended.splitlines()[-1]
    assert '"event": "end", "synced": true' in journal.read_text().splitlines()[-1]


@pytest.mark.parametrize("beside", [["1"], ["--for", "2h"], ["--reason", "late"]])
def test_going_back_to_layout_1_pins_nothing(grown, beside):
    assert grown.run("rollback", "--layout", "1", *beside).exit == 64


def test_two_domains_have_no_layout_1(grown):
    grown.manifest.write_text(
        grown.manifest.read_text().replace('["example.com"]', '["example.com", "example.org"]')
    )
    before = grown.tree()

    refused = grown.run("rollback", "--layout", "1", "--yes")

    assert refused.exit == 4
    assert "layout 1 holds one domain" in refused.out
    assert grown.tree() == before
