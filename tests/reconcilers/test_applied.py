"""What a plan goes by where the engine config, or its record, was cut and can still be read."""

from desired.engine_config import header
from reconcilers.applied import what_was_applied
from reconcilers.generations import numbers
from reconcilers.report.view import counts


def manifest(mailboxes, head='domains = ["a.com"]\n'):
    return head + "".join(
        f'[mailboxes."m{number}@a.com"]\nowner = "alice"\n' for number in range(mailboxes)
    )


GUARDED = 'domains = ["a.com"]\n[policy]\nmax_removals = 0\n'
PROTECTED = (
    'domains = ["a.com"]\n[mailboxes."m0@a.com"]\nowner = "alice"\nlifecycle.protect = true\n'
)
OTHERS = manifest(3, "").replace('[mailboxes."m0@a.com"]\nowner = "alice"\n', "")


def test_what_was_applied_is_known_wherever_the_engine_config_is_cut(machine):
    machine.apply(PROTECTED + OTHERS)
    machine.apply(manifest(3))
    raw = machine.host.read(machine.roots.engine_config)
    then = machine.desired('domains = ["a.com"]\n' + OTHERS)
    before = what_was_applied(then, machine.host, machine.roots).applied

    for length in range(len(raw)):
        machine.host.plant_file(machine.roots.engine_config, raw[:length])

        world = what_was_applied(then, machine.host, machine.roots)

        assert (world.applied, world.forgotten) == (before, ""), length


def ends_of_lines(raw):
    """Where a file can be cut and still be read."""
    return [at for at, octet in enumerate(raw) if octet in b"\n["]


def test_an_engine_config_that_was_cut_lifts_no_protection(machine):
    machine.apply(PROTECTED + OTHERS)
    machine.apply(manifest(3))
    raw = machine.host.read(machine.roots.engine_config)

    for length in ends_of_lines(raw):
        machine.host.plant_file(machine.roots.engine_config, raw[:length])

        plan = machine.plan('domains = ["a.com"]\n' + OTHERS, allow_removals=9)

        blocked = {change.address: change.blocked.code for change in plan.blocked}
        assert blocked == {"mailbox/m0@a.com": "protected", "config": "needs-another"}, length


def test_with_the_record_cut_as_well_what_an_earlier_one_protects_stays(machine):
    machine.apply(PROTECTED + OTHERS)
    machine.apply(manifest(4))
    raw = machine.host.read(machine.roots.engine_config)
    recorded = machine.roots.generations / "2" / "config.toml"
    cut = raw[: raw.index(b'[mailboxes."m0@a.com".lifecycle]')]
    for path in (machine.roots.engine_config, recorded):
        machine.host.plant_file(path, cut)

    change = machine.change('domains = ["a.com"]\n' + OTHERS, "mailbox/m0@a.com")

    assert change.blocked.code == "protected"


def test_a_record_that_was_cut_lifts_no_guard_of_the_engine_config(machine):
    machine.apply(manifest(2, GUARDED))
    path = machine.roots.generations / "1" / "config.toml"
    raw = machine.host.read(path)

    for length in ends_of_lines(raw):
        machine.host.plant_file(path, raw[:length])

        plan = machine.plan('domains = ["a.com"]\n[mailboxes."m1@a.com"]\nowner = "alice"\n')

        assert plan.refused is not None, length


def test_nothing_is_removed_after_a_cut_of_which_nothing_is_on_record(machine):
    machine.apply(PROTECTED + OTHERS)
    raw = machine.host.read(machine.roots.engine_config)
    machine.host.remove_tree(machine.roots.generations)

    for length in ends_of_lines(raw):
        machine.host.plant_file(machine.roots.engine_config, raw[:length])

        plan = machine.plan('domains = ["a.com"]\n' + OTHERS, allow_removals=9)

        assert counts(plan)["quarantine"] == 0, length


def test_with_an_older_engine_config_put_back_no_number_is_given_twice(machine):
    machine.apply(manifest(3))
    older = machine.host.read(machine.roots.engine_config)
    machine.apply(manifest(4))
    machine.host.plant_file(machine.roots.engine_config, older)

    machine.apply(manifest(5))

    assert numbers(machine.host, machine.roots) == (1, 2, 3)
    assert header(machine.host.read(machine.roots.engine_config)).generation == 3


def test_where_nobody_can_see_whether_anything_was_applied_it_is_not_a_beginning(machine):
    machine.apply(manifest(3))
    machine.host.remove_file(machine.roots.engine_config)
    machine.host.remove_tree(machine.roots.generations / "1")
    machine.host.plant_blindness(machine.roots.marker)

    world = what_was_applied(machine.desired(manifest(3)), machine.host, machine.roots)

    assert world.forgotten == f"{machine.roots.engine_config} is gone"
