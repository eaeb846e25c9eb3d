"""A key takes the place of another, or is made for a selector that is to come."""

import pytest

from desired import manifest
from desired.problem import Source
from reconcilers.change import Action
from reconcilers.consent import Consent
from reconcilers.host.read_only import ReadOnly
from reconcilers.planning import plan
from reconcilers.renewing import Renewal

ONE = 'domains = ["a.com"]\n'
NEXT = f'{ONE}dkim_selector = "aimx2"\n'
KEY, ASIDE = "dkim/a.com/aimx", "dkim/a.com/aimx2"


def planned(machine, renewal, text=ONE):
    desired = manifest.read([Source("manifest.toml", text.encode())]).desired
    return plan(desired, ReadOnly(machine.host), machine.roots, Consent(renewal=renewal))


def replaced(machine, address=KEY):
    machine.carry_out(planned(machine, Renewal(replacing=frozenset({address}))))


def files(machine):
    home = machine.roots.keys("a.com")
    return {name: machine.host.read(home / name) for name in machine.host.names(home)}


def today(machine):
    return f"{machine.host.now():%Y-%m-%d}"


def test_a_replaced_key_is_kept_with_its_date(machine):
    machine.apply(ONE)
    before = files(machine)

    made = planned(machine, Renewal(replacing=frozenset({KEY})))
    machine.carry_out(made)

    (change,) = made.changes
    after = files(machine)
    assert (change.address, change.action, change.drifted) == (KEY, Action.UPDATE, False)
    assert after[f"private.key.{today(machine)}"] == before["private.key"]
    assert after["private.key"] not in (None, before["private.key"])
    assert after["public.key"] != before["public.key"]
    assert machine.plan(ONE).is_empty


def test_the_engine_is_given_the_new_key(machine):
    machine.apply(ONE)
    machine.engine.told.clear()

    replaced(machine)

    assert machine.engine.told == ["prepare", "commit"]


def test_two_of_one_day_are_both_kept(machine):
    machine.apply(ONE)
    first = files(machine)["private.key"]
    replaced(machine)
    second = files(machine)["private.key"]

    replaced(machine)

    kept = files(machine)
    assert kept[f"private.key.{today(machine)}"] == first
    assert kept[f"private.key.{today(machine)}-2"] == second


@pytest.mark.parametrize("name", ["private.key", "public.key"])
def test_a_lost_key_is_replaced_only_where_somebody_asks(machine, name):
    machine.apply(ONE)
    machine.host.remove_file(machine.roots.keys("a.com") / name)

    replaced(machine)

    assert {"private.key", "public.key"} <= files(machine).keys()
    assert machine.plan(ONE).is_empty


def test_a_key_of_no_use_is_kept_too(machine):
    machine.apply(ONE)
    path = machine.roots.keys("a.com") / "private.key"
    machine.host.plant_file(path, b"garbage")

    replaced(machine)

    assert files(machine)[f"private.key.{today(machine)}"] == b"garbage"
    assert [change for change in machine.plan(ONE).changes if change.blocked] == []


def test_at_no_step_is_there_no_key_nor_is_the_old_one_gone(new_machine):
    number = len(planned(_applied(new_machine()), Renewal(replacing=frozenset({KEY}))).steps)
    for taken in range(number + 1):
        machine = _applied(new_machine())
        before = files(machine)["private.key"]
        made = planned(machine, Renewal(replacing=frozenset({KEY})))
        if taken < number:
            machine.take_until(made, made.steps[taken].id)
        else:
            machine.carry_out(made)

        machine.apply(ONE)

        assert before in files(machine).values()
        assert machine.plan(ONE).is_empty


def _applied(machine):
    machine.apply(ONE)
    return machine


def test_a_key_for_a_selector_that_is_to_come_signs_nothing_yet(machine):
    machine.apply(ONE)
    before = files(machine)

    made = planned(machine, Renewal(making=frozenset({ASIDE})))
    machine.carry_out(made)

    assert [(change.address, change.action) for change in made.changes] == [(ASIDE, Action.CREATE)]
    assert files(machine).items() >= before.items()
    assert files(machine).keys() - before.keys() == {"aimx2.private.key", "aimx2.public.key"}
    assert planned(machine, Renewal(making=frozenset({ASIDE}))).changes == ()
    assert machine.plan(ONE).is_empty


def test_once_the_manifest_names_its_selector_it_signs(machine):
    machine.apply(ONE)
    machine.carry_out(planned(machine, Renewal(making=frozenset({ASIDE}))))
    before = files(machine)

    change = machine.change(NEXT, ASIDE)
    machine.apply(NEXT)

    assert (change.action, change.blocked) == (Action.UPDATE, None)
    assert "It is another key, aimx2.private.key" in change.notes[0]
    assert files(machine) == before
    assert machine.plan(NEXT).is_empty


def test_a_key_that_is_made_where_one_is_stays(machine):
    machine.apply(ONE)

    assert planned(machine, Renewal(making=frozenset({KEY}))).is_empty


def test_a_new_key_leaves_an_older_one_for_the_selector_aside_where_it_is(machine):
    machine.apply(ONE)
    machine.carry_out(planned(machine, Renewal(making=frozenset({ASIDE}))))
    before = files(machine)

    replaced(machine, ASIDE)

    after = files(machine)
    assert after[f"aimx2.private.key.{today(machine)}"] == before["aimx2.private.key"]
    assert after["private.key"] == before["private.key"]
