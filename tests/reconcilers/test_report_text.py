"""Each plan stands beside the exact text that it must print, which is reviewed as prose."""

from dataclasses import replace
from pathlib import Path

import pytest

from desired.desired import Moved
from desired.names import Address
from desired.problem import Where
from reconcilers.change import Action, Blocked, Change, Field
from reconcilers.host.host import Access, Nature
from reconcilers.plan import Plan
from reconcilers.report.text import plan_text

PLANS = Path(__file__).parent / "plans"
HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OPS = '[mailboxes."ops@a.com"]\nowner = "bob"\n'


def fresh_install(machine):
    return machine.plan(HEAD + INFO)


def unchanged(machine):
    machine.apply(HEAD + INFO)
    return machine.plan(HEAD + INFO)


def everyday(machine):
    """A mailbox comes, one goes, a setting changes, a key waits to be adopted, a mode drifted."""
    machine.apply(HEAD + INFO + OPS)
    old = machine.roots.mailbox("a.com", "inbox", "ops") / "2026-01-02-030405-hello.md"
    machine.host.plant_file(old, b"mail", Access(0o600, 1001, 1001))
    key = machine.roots.keys("b.com") / "private.key"
    machine.host.plant_file(key, machine.host.new_private_key(), Access(0o600, 0, 0))
    sent = machine.roots.mailbox("a.com", "sent", "info")
    machine.host.set_access(sent, Access(0o755, 1000, 1000))
    domains = 'domains = ["a.com", "b.com"]\ntrust = "verified"\n'
    new = '[mailboxes."x@b.com"]\nowner = "alice"\n[mailboxes."y@b.com"]\nowner = "carol"\n'
    return machine.plan(domains + INFO + new)


def renamed(machine):
    machine.apply(HEAD + INFO)
    moved = Moved(Address.parse("info@a.com"), Address.parse("hello@a.com"))
    return machine.plan(
        replace(machine.desired(HEAD + INFO.replace("info", "hello")), moved=(moved,))
    )


def too_many_removals(machine):
    machine.apply(HEAD + INFO + OPS)
    return machine.plan(HEAD)


def lost_key(machine):
    machine.apply(HEAD)
    machine.host.remove_tree(machine.roots.keys("a.com"))
    return machine.plan(HEAD)


def many_lost_keys(machine):
    head = 'domains = ["a.com", "b.com", "c.com", "d.com", "e.com"]\n'
    machine.apply(head)
    for name in ("a.com", "b.com", "c.com", "d.com", "e.com"):
        machine.host.remove_tree(machine.roots.keys(name))
    return machine.plan(head)


def corrupt_marker(machine):
    machine.host.plant_file(machine.roots.marker, b"3\n")
    return machine.plan(HEAD)


def in_the_way(machine):
    machine.apply(HEAD)
    machine.host.plant_other(machine.roots.mailbox("a.com", "inbox", "info"), Nature.SYMLINK)
    machine.host.plant_blindness(machine.roots.tls / "cert.pem")
    return machine.plan(HEAD + INFO)


@pytest.mark.parametrize(
    "scene",
    [
        fresh_install,
        unchanged,
        everyday,
        renamed,
        too_many_removals,
        lost_key,
        many_lost_keys,
        corrupt_marker,
        in_the_way,
    ],
    ids=lambda scene: scene.__name__,
)
def test_a_plan_prints_exactly_what_stands_beside_it(machine, scene):
    told = plan_text(scene(machine))

    assert told == (PLANS / f"{scene.__name__}.txt").read_text()


def plan_of(*changes, **parts):
    return Plan(41, "", changes, (), 37, **parts)


def change(action, name, **parts):
    return Change(f"mailbox/{name}@a.com", action, "the manifest says so", **parts)


def test_the_summary_counts_everything_in_its_order():
    blocked = Blocked("code", "something is in the way", "move it")
    plan = plan_of(
        change(Action.CREATE, "a"),
        change(Action.CREATE, "b"),
        change(Action.REPAIR, "c"),
        change(Action.MOVE, "d"),
        change(Action.QUARANTINE, "e"),
        change(Action.CREATE, "f", blocked=blocked),
    )

    assert (
        "Plan: 2 to create, 1 to update, 1 to move, 0 to adopt, 1 to quarantine, 0 to delete, 37"
        " unchanged, 0 to forget, 1 blocked.\n"
    ) in plan_text(plan, columns=200)


def test_nothing_to_do_is_one_line():
    assert plan_text(plan_of()) == "No changes. The machine matches the manifest (generation 41).\n"


def test_a_saved_plan_is_applied_by_its_name():
    plan = plan_of(change(Action.CREATE, "a"))

    assert plan_text(plan, saved="next.plan").endswith("\n    aimx apply next.plan\n")


def test_the_legend_names_the_symbols_that_are_used_and_no_others():
    plan = plan_of(change(Action.CREATE, "a"), change(Action.FORGET, "b"))

    assert "\n  + create, . forget: the data stays\n" in plan_text(plan)


HOSTILE = change(
    Action.UPDATE,
    "x\x1b[2J\r\n\u202e",
    where=Where("mani\x07fest.toml", 3, 1),
    fields=(Field("trust\x1b]0;", "\u200bnone", "verified\n+ forged"),),
    notes=("A note\x9b.",),
)


def test_nothing_that_a_terminal_would_obey_reaches_it():
    told = plan_text(plan_of(HOSTILE))

    assert all(character.isprintable() or character == "\n" for character in told)
    assert r"x\x1b[2J\r\n\u202e" in told
    assert "\n+ forged" not in told


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_report_fits_its_columns(machine, columns):
    told = plan_text(everyday(machine), columns=columns)

    wide = [line for line in told.splitlines() if len(line) > columns]
    assert [line for line in wide if not is_kept_whole(line)] == []


def is_kept_whole(line):
    """A word is never broken, names are there to be copied, and scripts look for the summary."""
    return (
        " " not in line.strip()
        or line.startswith("Plan: ")
        or (line[:2] == "  " and line[3] == " " and line[2] in "+~q&!")
    )


def test_colour_only_where_it_is_asked_for_and_never_alone(machine):
    plan = everyday(machine)
    plain, coloured = plan_text(plan), plan_text(plan, colour=True)

    assert "\x1b" not in plain
    assert "\x1b[32m  + mailbox/x@b.com (manifest.toml:5)\x1b[0m" in coloured
    for code in ("0", "32", "33", "35", "36", "1;31", "2", "31"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain
