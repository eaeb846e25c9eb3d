import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from desired.problem import Source
from reconcilers.generations import About, Generation, Rollback, Who, load, record
from reconcilers.history import Damaged, Entry, Touched, Untouched, history, last_touch, plan_of
from reconcilers.host.host import LARGEST_FILE, UnseenError
from reconcilers.receipt import Outcome, Receipt
from reconcilers.report.past import (
    generation_document,
    generation_text,
    history_document,
    history_text,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROOT = Who(0, "root", "aimx apply")
INFO = "mailbox/info@a.com"


def change(address, action="create", **parts):
    return {"address": address, "action": action, "symbol": "+", "why": "it is so", **parts}


def generation(number, *changes, **parts):
    counts = {"create": len(changes), "update": 0, "unchanged": 3, "blocked": 0}
    document = json.dumps({"summary": counts, "changes": changes}).encode()
    sources = (Source("manifest.toml", b'domains = ["a.com"]\n'),)
    made = Generation(number, AT, ROOT, sources, b"", document, ())
    return replace(made, **parts)


@pytest.fixture
def kept(machine):
    """Three generations, of which the second is damaged."""
    for number in (1, 2, 3):
        made = generation(number, *([change(INFO)] if number == 1 else []))
        record(machine.host, machine.roots, made)
    broken = machine.roots.generations / "2" / "record.json"
    machine.host.plant_file(broken, b'{"at": "noon"}')
    return machine


def entry(number, **counts):
    about = About(AT, ROOT, resumed=False, sources=("manifest.toml",))
    return Entry(number, about, {"create": 0, "update": 0, "unchanged": 3, "blocked": 0} | counts)


def test_a_damaged_record_is_named_and_hides_no_other(kept):
    first, second, third = history(kept.host, kept.roots)

    assert (first, third) == (entry(1, create=1), entry(3))
    assert isinstance(second, Damaged)
    assert "/var/lib/aimx/.aimx/generations/2: is not a record that aimx wrote" in second.reason


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'"text"'])
def test_a_plan_that_is_no_document_is_a_damaged_record(kept, content):
    broken = kept.roots.generations / "3" / "plan.json"
    kept.host.plant_file(broken, content)

    assert [type(each) for each in history(kept.host, kept.roots)] == [Entry, Damaged, Damaged]
    with pytest.raises(UnseenError):
        plan_of(kept.host, kept.roots, 3)


def test_a_plan_of_another_release_counts_what_is_understood_of_it(machine):
    for number, plan in ((1, b'{"summary": {"create": "a"}}'), (2, b'{"summary": "all is well"}')):
        record(machine.host, machine.roots, generation(number, plan=plan))

    first, second = history(machine.host, machine.roots)

    assert (first.counts, second.counts) == ({}, {})


def test_the_last_generation_that_did_something_to_a_resource_is_known(kept):
    assert last_touch(kept.host, kept.roots, INFO) == Touched(1, entry(1).about, "create")
    assert last_touch(kept.host, kept.roots, "readme") == Untouched(oldest=1)


def test_what_was_blocked_was_not_done(kept):
    blocked = change("readme", blocked={"code": "c", "reason": "r", "remedy": "r"})
    record(kept.host, kept.roots, generation(4, blocked))

    assert last_touch(kept.host, kept.roots, "readme") == Untouched(oldest=1)


def test_where_nothing_is_on_record_nothing_was_done(machine):
    assert history(machine.host, machine.roots) == ()
    assert last_touch(machine.host, machine.roots, INFO) == Untouched(oldest=0)


def test_a_history_of_nothing_says_so():
    assert history_text(()) == ("No generation is on record: nothing has been applied here yet.\n")


def test_a_history_is_a_line_a_generation_with_the_newest_last(kept):
    record(kept.host, kept.roots, generation(10, resumed=True, who=Who(1000, "", "watch")))

    assert history_text(history(kept.host, kept.roots), columns=72).splitlines() == [
        "GENERATION  WHEN                  WHO       FROM        PLAN",
        "         1  2026-01-02T03:04:05Z  root      aimx apply  +1",
        "         2  damaged: /var/lib/aimx/.aimx/generations/2: is not a record",
        "            that aimx wrote. Restore it from a backup, or move it away.",
        "         3  2026-01-02T03:04:05Z  root      aimx apply  nothing",
        "        10  2026-01-02T03:04:05Z  uid 1000  watch       nothing, resumed",
    ]


def test_a_rollback_is_told_with_where_it_went_and_for_how_long(machine):
    back = Rollback(former=3, to=1, reason="too early", until=AT)
    made = generation(4, change(INFO, "quarantine"), rollback=back)
    record(machine.host, machine.roots, made)

    row = history_text(history(machine.host, machine.roots)).splitlines()[1]
    told = generation_text(made, json.loads(made.plan), columns=200)
    data = history_document(history(machine.host, machine.roots))["generations"][0]

    assert row.endswith("+1, back from 3 to 1")
    assert (
        "Rolled back from generation 3 to the manifest of generation 1,"
        " pinned until 2026-01-02T03:04:05Z: too early"
    ) in told.splitlines()
    until = "2026-01-02T03:04:05Z"
    assert data["rollback"] == {"former": 3, "to": 1, "reason": "too early", "until": until}


@pytest.mark.parametrize("account", ["root", "a" * 32])
def test_no_row_is_wider_than_the_terminal_and_data_has_all_of_it(machine, account):
    origin = "git 0123456789abcdef0123456789abcdef01234567 by somebody with a long name"
    back = Rollback(former=1234, to=1233, reason="", until=AT)
    who = Who(0, account, origin)
    record(machine.host, machine.roots, generation(7, change(INFO), who=who, rollback=back))
    record(machine.host, machine.roots, generation(8, change(INFO)))
    recorded = history(machine.host, machine.roots)

    rows = history_text(recorded).splitlines()

    assert max(map(len, rows)) <= 80
    assert "..." in rows[1]
    assert rows[1].endswith("+1, back from 1234 to 1233")
    assert history_document(recorded)["generations"][0]["who"]["origin"] == origin


def test_a_history_of_nothing_but_damage_is_told():
    damaged = (Damaged(1, "it is gone"), Damaged(2, "this one too"))

    told = history_text(damaged)

    assert told.splitlines()[1:] == [
        "         1  damaged: it is gone",
        "         2  damaged: this one too",
    ]


def test_a_history_as_data_has_the_damaged_ones_in_their_places(kept):
    document = history_document(history(kept.host, kept.roots))

    assert [each["generation"] for each in document["generations"]] == [1, 2, 3]
    assert document["generations"][0] == {
        "generation": 1,
        "at": "2026-01-02T03:04:05Z",
        "who": {"uid": 0, "account": "root", "origin": "aimx apply"},
        "resumed": False,
        "sources": ["manifest.toml"],
        "rollback": None,
        "summary": {"create": 1, "update": 0, "unchanged": 3, "blocked": 0},
    }
    assert set(document["generations"][1]) == {"generation", "damaged"}


def test_one_generation_is_told_in_full(machine):
    blocked = {"code": "key-lost", "reason": "the key is gone", "remedy": "restore it"}
    receipts = (
        Receipt("config#1", "config", Outcome.DONE),
        Receipt("readme#1", "readme", Outcome.FAILED, "no space is left"),
    )
    made = generation(
        4, change(INFO), change("dkim/a.com/aimx", symbol="!", blocked=blocked), receipts=receipts
    )
    record(machine.host, machine.roots, made)

    loaded = load(machine.host, machine.roots, 4)

    assert generation_text(loaded, plan_of(machine.host, machine.roots, 4)).splitlines() == [
        "Generation 4, applied 2026-01-02T03:04:05Z by root (uid 0) through aimx apply.",
        "Manifest: manifest.toml (20 octets)",
        "",
        "  + mailbox/info@a.com",
        "      it is so",
        "  ! dkim/a.com/aimx",
        "      blocked (key-lost): the key is gone",
        "Plan: +2.",
        "Steps: 1 done, 1 failed, 0 skipped, 0 not started.",
        "  failed readme: no space is left",
    ]


def test_one_generation_as_data_has_its_plan_and_its_receipts(machine):
    made = generation(4, change(INFO), receipts=(Receipt("a#1", "a", Outcome.DONE),))

    document = generation_document(made, json.loads(made.plan))

    assert document["plan"]["changes"] == [change(INFO)]
    assert document["receipts"] == [
        {"step": "a#1", "address": "a", "outcome": "done", "reason": ""}
    ]


def test_nothing_that_a_terminal_would_obey_is_in_a_history(machine):
    hostile = generation(
        1, change("mailbox/\x1b[2J", why="\u202e"), who=Who(0, "ro\x07ot", "git\x1b]0;\n")
    )
    record(machine.host, machine.roots, hostile)

    told = history_text(history(machine.host, machine.roots))
    told += generation_text(hostile, json.loads(hostile.plan))

    assert all(character.isprintable() or character == "\n" for character in told)


def test_the_record_of_ten_thousand_resources_can_be_read(machine):
    names = [f"mailbox/m{number}@a.com" for number in range(10_000)]
    many = generation(
        1,
        *(change(name, note="x" * 2000) for name in names),
        receipts=tuple(Receipt(f"{name}#1", name, Outcome.DONE) for name in names),
    )
    assert len(many.plan) > LARGEST_FILE

    record(machine.host, machine.roots, many)

    assert load(machine.host, machine.roots, 1) == many
    assert history(machine.host, machine.roots) == (entry(1, create=10_000),)
    assert last_touch(machine.host, machine.roots, names[7]) == Touched(1, entry(1).about, "create")


@pytest.mark.parametrize("content", [b"", b"not packed", b"\x1f\x8b\x08\x00"])
def test_a_packed_record_that_cannot_be_unpacked_is_damaged(kept, content):
    home = kept.roots.generations / "3"
    kept.host.remove_file(home / "plan.json")
    kept.host.plant_file(home / "plan.json.gz", content)

    assert isinstance(history(kept.host, kept.roots)[-1], Damaged)
