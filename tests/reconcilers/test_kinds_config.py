from dataclasses import replace

from desired import engine_config, manifest
from desired.problem import Source
from reconcilers.change import Action, Field
from reconcilers.host.host import Access, Nature

ONE = 'domains = ["a.com"]\n'
MORE = ONE + "[smtp]\nmax_recipients = 7\n"


def header(machine):
    return engine_config.header(machine.host.read(machine.roots.engine_config))


def test_the_engine_config_is_what_the_manifest_compiles_to(machine):
    machine.apply(MORE)

    raw = machine.host.read(machine.roots.engine_config)
    assert manifest.read([Source("config.toml", raw)]).desired == machine.desired(MORE)
    assert machine.host.look(machine.roots.engine_config).mode == 0o640
    assert header(machine).generation == 1


def test_a_comment_in_the_manifest_changes_nothing(machine):
    machine.apply(ONE)

    assert machine.plan("# A comment.\n" + ONE).is_empty


def test_each_change_is_one_generation_and_says_what_differs(machine):
    machine.apply(ONE)

    change = machine.change(MORE, "config")
    machine.apply(MORE)

    assert change.action is Action.UPDATE
    assert change.fields == (
        Field("generation", "1", "2"),
        Field("smtp.max_recipients", "100", "7"),
    )
    assert header(machine).generation == 2
    assert machine.plan(MORE).is_empty


def test_an_edit_by_somebody_else_is_undone_and_said(machine):
    machine.apply(ONE)
    raw = machine.host.read(machine.roots.engine_config)
    machine.host.replace(
        machine.roots.engine_config,
        raw.replace(b"max_recipients = 100", b"max_recipients = 5"),
        Access(0o640, 0, 0),
    )

    change = machine.change(ONE, "config")
    machine.apply(ONE)

    assert (change.action, change.drifted) == (Action.REPAIR, True)
    assert change.why == "it is not what the manifest compiles to"
    assert Field("smtp.max_recipients", "5", "100") in change.fields
    assert change.notes == (
        "Somebody else wrote /etc/aimx/config.toml; edit the manifest instead.",
    )
    assert machine.plan(ONE).is_empty


def test_what_an_apply_left_out_is_nobodys_edit(machine):
    mailbox = '[mailboxes."x@a.com"]\nowner = "alice"\n'
    machine.apply(ONE + mailbox)
    # As where nobody has agreed to one thing of what the edit asks for, which is to go.
    withheld = replace(machine.desired(MORE + mailbox), digest=machine.desired(MORE).digest)
    machine.apply(withheld)

    change = machine.change(MORE, "config", allow_removals=1)

    assert (change.action, change.drifted) == (Action.UPDATE, False)
    assert change.why == "the last apply left out what was not agreed to"
    assert not change.notes


def test_what_another_release_wrote_in_other_words_is_written_anew(machine):
    machine.apply(ONE)
    path = machine.roots.engine_config
    desired = machine.desired(ONE)
    worded = engine_config.body(desired) + b"# As it was written once.\n"
    machine.host.replace(path, engine_config.headed(desired, 1, worded), Access(0o640, 0, 0))

    change = machine.change(ONE, "config")
    machine.apply(ONE)

    assert (change.action, change.drifted) == (Action.UPDATE, False)
    assert change.why == "another release wrote it, in other words"
    assert machine.host.read(path) == engine_config.render(desired, 2)
    assert machine.plan(ONE).is_empty


def test_one_that_cannot_be_read_is_written_anew_and_nothing_is_removed(machine):
    machine.apply(ONE + '[mailboxes."x@a.com"]\nowner = "alice"\n')
    machine.host.replace(machine.roots.engine_config, b"not [ toml", Access(0o640, 0, 0))
    machine.host.remove_tree(machine.roots.generations)

    plan = machine.plan(ONE)

    assert [change.address for change in plan.changes] == ["layout", "dkim/a.com/aimx", "config"]
    assert "cannot be read, so nothing is removed" in plan.changes[-1].notes[0]


def test_generations_count_on_after_the_engine_config_is_lost(machine):
    machine.apply(ONE)
    machine.apply(MORE)
    machine.host.remove_file(machine.roots.engine_config)

    machine.apply(MORE)

    assert header(machine).generation == 3


def test_a_mode_that_drifted_is_repaired_in_the_same_generation(machine):
    machine.apply(ONE)
    machine.host.set_access(machine.roots.engine_config, Access(0o644, 0, 0))

    plan = machine.apply(ONE)

    assert plan.config is None
    assert header(machine).generation == 1
    assert machine.host.look(machine.roots.engine_config).mode == 0o640


def test_a_generation_that_is_not_on_record_is_a_difference(machine):
    machine.apply(ONE)
    machine.host.remove_tree(machine.roots.generations / "1")

    change = machine.change(ONE, "config")
    plan = machine.apply(ONE)

    assert change.why == "generation 1 was applied and is not on record"
    assert plan.steps == ()
    assert machine.plan(ONE).is_empty


def test_a_link_in_its_place_is_blocked(machine):
    machine.apply(ONE)
    machine.host.remove_file(machine.roots.engine_config)
    machine.host.plant_other(machine.roots.engine_config, Nature.SYMLINK)

    assert machine.change(ONE, "config").blocked.code == "symlink-in-the-way"


def test_a_manifest_is_never_replaced_by_what_it_compiles_to(machine):
    machine.roots = replace(machine.roots, manifest=machine.roots.engine_config)

    assert machine.change(ONE, "config").blocked.code == "manifest-in-the-way"
