"""Keys that have grown older than the manifest lets them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconcilers.host.host import Access
from reconcilers.overdue import Overdue, overdue
from reconcilers.report.status import status_rows

PLAIN = 'domains = ["a.com", "b.com"]\n'
ROTATED = PLAIN + '[domain."a.com"]\ndkim = { rotate_every = "90d" }\n'


@pytest.fixture
def aged(machine):
    """What is overdue, so many days after the keys were made."""

    def after(days, manifest=ROTATED):
        machine.host.time += timedelta(days=days)
        return overdue(machine.desired(manifest), machine.host, machine.roots)

    machine.apply(ROTATED)
    return after


def test_a_key_is_due_from_the_day_on_that_the_manifest_names(machine, aged):
    made = machine.host.time

    assert (aged(89), aged(1)) == ((), (Overdue("a.com", "aimx", f"{made:%Y-%m-%d}", "90d"),))


def test_where_the_manifest_names_no_time_no_key_is_due(aged):
    assert aged(10_000, PLAIN) == ()


def test_a_repair_of_its_mode_makes_no_key_young(machine, aged):
    private = machine.roots.keys("a.com") / "private.key"
    machine.host.time += timedelta(days=90)
    machine.host.set_access(private, replace(_access(machine, private), mode=0o644))
    machine.apply(ROTATED)

    assert [each.domain for each in aged(0)] == ["a.com"]


def test_the_key_of_the_selector_that_signs_is_what_counts(machine, aged):
    home = machine.roots.keys("a.com")
    machine.host.time += timedelta(days=80)
    machine.host.replace(
        home / "aimx2.private.key",
        machine.host.new_private_key(),
        _access(machine, home / "private.key"),
    )
    rotated = ROTATED.replace("dkim =", 'dkim_selector = "aimx2"\ndkim =')

    assert [each.selector for each in aged(20)] == ["aimx"]
    assert aged(0, rotated) == ()
    assert [each.selector for each in aged(70, rotated)] == ["aimx2"]


def test_a_key_that_cannot_be_seen_is_told_of_by_its_kind_alone(machine, aged):
    machine.host.plant_blindness(machine.roots.keys("a.com"))

    assert aged(100) == ()


def test_the_status_has_a_row_with_the_command_and_the_plan_stays_empty(machine, aged):
    due = aged(100)

    rows = status_rows(machine.plan(ROTATED), ["dkim/a.com/aimx"], due)

    assert machine.plan(ROTATED).is_empty
    assert [(row.drifted, row.symbol, row.address, row.why) for row in rows] == [
        (
            False,
            "",
            "dkim/a.com/aimx",
            f"`aimx domains rotate-dkim a.com` is due: the key is of {due[0].of}, and"
            " dkim.rotate_every is 90d",
        )
    ]


def test_a_key_that_is_lost_as_well_has_the_row_of_what_is_in_its_way(machine, aged):
    due = aged(100)
    machine.host.remove_tree(machine.roots.keys("a.com"))

    rows = status_rows(machine.plan(ROTATED), (), due)

    assert [(row.symbol, row.address) for row in rows] == [("!", "dkim/a.com/aimx")]


def _access(machine, path):
    entry = machine.host.look(path)
    return Access(entry.mode, entry.uid, entry.gid)
