"""What `[[moved]]` and `[[removed]]` do, and that they do it once."""

from dataclasses import replace

import pytest

from desired import manifest
from desired.problem import ManifestError, Source
from reconcilers.change import Action
from reconcilers.host.host import Access

HEAD = 'domains = ["a.com", "b.com"]\n'
ALICE = Access(0o600, 1000, 1000)


def boxes(*names, owner="alice"):
    return "".join(f'[mailboxes."{name}"]\nowner = "{owner}"\n' for name in names)


def moved(source, target):
    return f'[[moved]]\nfrom = "mailbox/{source}"\nto = "mailbox/{target}"\n'


def removed(address, data="tombstone"):
    return f'[[removed]]\naddress = "mailbox/{address}"\ndata = "{data}"\n'


BEFORE = HEAD + boxes("info@a.com", "ops@a.com")


def deliver(machine, name="info", domain="a.com"):
    inbox = machine.roots.mailbox(domain, "inbox", name)
    machine.host.plant_file(inbox / "2026-01-02-030405-hello.md", b"mail", ALICE)
    return inbox


def test_what_a_block_removes_is_told_with_the_line_of_the_block(machine):
    machine.apply(BEFORE + boxes("x@a.com"))
    fragment = Source("manifest.d/a.toml", removed("info@a.com").encode())
    first = Source("manifest.toml", (HEAD + removed("ops@a.com")).encode())

    plan = machine.plan(manifest.read([first, fragment]).desired)

    places = {
        each.address: each.where and (each.where.file, each.where.line)
        for each in plan.changes
        if each.kind == "mailbox"
    }
    assert places == {
        "mailbox/info@a.com": ("manifest.d/a.toml", 1),
        "mailbox/ops@a.com": ("manifest.toml", 2),
        "mailbox/x@a.com": None,
    }


@pytest.mark.parametrize("target", ["hello@a.com", "info@b.com", "*@b.com"])
def test_a_block_moves_a_mailbox_with_its_mail_by_a_rename(machine, target):
    machine.apply(BEFORE)
    before = machine.host.look(deliver(machine)).inode
    text = HEAD + boxes(target, "ops@a.com") + moved("info@a.com", target)

    plan = machine.apply(text)

    local, _, domain = target.partition("@")
    inbox = machine.roots.mailbox(domain, "inbox", "catchall" if local == "*" else local)
    assert [change.address for change in plan.changes] == [f"mailbox/{target}", "config"]
    assert machine.host.look(inbox).inode == before
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)
    assert machine.host.names(machine.roots.tombstones) == ()


def test_a_block_that_was_carried_out_asks_for_nothing_and_says_so(machine):
    machine.apply(BEFORE)
    text = HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com")
    machine.apply(text)

    again = machine.plan(text)

    assert again.is_empty
    assert again.notes == (
        "The [[moved]] block of mailbox/info@a.com was carried out, and can be taken out of the"
        " manifest.",
    )


def test_a_block_that_was_carried_out_takes_nothing_along_that_came_later(machine):
    machine.apply(BEFORE)
    text = HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com")
    machine.apply(text)
    came = deliver(machine)

    assert machine.plan(text).is_empty
    assert machine.host.names(came) == ("2026-01-02-030405-hello.md",)


def test_of_a_move_that_is_in_no_manifest_nothing_is_said(machine):
    machine.apply(BEFORE)
    text = HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com")
    machine.apply(text)
    desired = machine.desired(text)
    inverted = tuple(replace(each, inverted=True) for each in desired.moved)

    again = machine.plan(replace(desired, moved=inverted))

    assert again.is_empty
    assert again.notes == ()


def test_a_block_that_names_what_never_was_says_so(machine):
    machine.apply(BEFORE)

    plan = machine.plan(BEFORE + removed("nobody@a.com"))

    assert plan.notes == (
        "The [[removed]] block of mailbox/nobody@a.com names a mailbox that no generation had, so"
        " there is nothing to do.",
    )


def test_a_removal_that_was_carried_out_never_meets_a_later_mailbox_of_that_name(machine):
    machine.apply(BEFORE)
    text = HEAD + boxes("ops@a.com") + removed("info@a.com", "delete")
    machine.apply(text)
    machine.apply(BEFORE)
    inbox = deliver(machine)

    change = machine.change(HEAD + boxes("ops@a.com"), "mailbox/info@a.com")

    assert change.action is Action.QUARANTINE
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)


def test_a_block_that_is_not_carried_out_to_its_end_is_not_on_record(machine):
    machine.apply(BEFORE)
    deliver(machine)
    text = HEAD + boxes("ops@a.com") + removed("info@a.com", "delete")
    machine.take_until(machine.plan(text), "mailbox/info@a.com#4")

    plan = machine.apply(text)

    assert [c.action for c in plan.changes if c.kind == "mailbox"] == [Action.DELETE]
    assert machine.plan(text).is_empty


def test_the_engine_config_with_blocks_in_it_can_be_read(machine):
    machine.apply(BEFORE)
    text = HEAD + boxes("hello@a.com") + moved("info@a.com", "hello@a.com") + removed("ops@a.com")
    machine.apply(text)

    read = manifest.read([Source("c", machine.host.read(machine.roots.engine_config))]).desired

    assert read == machine.desired(text)


def test_a_move_onto_a_mailbox_that_is_there_is_blocked_with_both_named(machine):
    machine.apply(BEFORE)
    inbox = deliver(machine)

    plan = machine.plan(HEAD + boxes("ops@a.com") + moved("info@a.com", "ops@a.com"))

    blocked = {change.address: change.blocked for change in plan.blocked}
    assert blocked.keys() == {"mailbox/ops@a.com", "config"}
    assert blocked["mailbox/ops@a.com"].code == "move-target-exists"
    assert "the mail of info@a.com is to come there" in blocked["mailbox/ops@a.com"].reason
    assert plan.steps == ()
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)


def test_a_move_to_another_owner_is_blocked(machine):
    machine.apply(BEFORE)

    after = HEAD + boxes("ops@a.com") + boxes("hello@a.com", owner="bob")
    change = machine.change(after + moved("info@a.com", "hello@a.com"), "mailbox/hello@a.com")

    assert change.blocked.code == "move-foreign-owner"
    assert "chown -R bob" in change.blocked.remedy


def test_a_move_from_another_file_system_is_blocked(machine):
    machine.apply(BEFORE)
    machine.host.plant_file_system(machine.roots.mailbox("a.com", "inbox", "info"))

    text = HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com")
    change = machine.change(text, "mailbox/hello@a.com")

    assert change.blocked.code == "move-other-file-system"


def test_a_move_is_carried_out_though_nobody_knows_what_was_applied(machine):
    machine.apply(BEFORE)
    deliver(machine)
    machine.host.remove_file(machine.roots.engine_config)
    machine.host.remove_tree(machine.roots.generations / "1")

    machine.apply(HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com"))

    inbox = machine.roots.mailbox("a.com", "inbox", "hello")
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)


def test_a_move_waits_while_nobody_can_look_whether_there_is_mail_to_move(machine):
    machine.apply(BEFORE)
    inbox = deliver(machine)
    machine.host.remove_file(machine.roots.engine_config)
    machine.host.remove_tree(machine.roots.generations / "1")
    machine.host.plant_blindness(inbox)

    plan = machine.plan(
        HEAD + boxes("hello@a.com", "ops@a.com") + moved("info@a.com", "hello@a.com")
    )

    assert [each.address for each in plan.unsettled] == ["mailbox"]
    assert not any(change.kind == "mailbox" for change in plan.changes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            boxes("b@a.com", "c@a.com") + moved("a@a.com", "b@a.com") + moved("b@a.com", "c@a.com"),
            "moves cannot be chained or swapped",
            id="chain",
        ),
        pytest.param(
            boxes("a@a.com", "b@a.com") + moved("a@a.com", "b@a.com") + moved("b@a.com", "a@a.com"),
            "moves cannot be chained or swapped",
            id="swap",
        ),
        pytest.param(
            boxes("c@a.com") + moved("a@a.com", "c@a.com") + moved("b@a.com", "c@a.com"),
            "two mailboxes are moved to mailbox/c@a.com",
            id="two-into-one",
        ),
        pytest.param(
            boxes("c@a.com") + moved("a@a.com", "c@a.com") + removed("a@a.com"),
            "mailbox/a@a.com is moved or removed twice",
            id="moved-and-removed",
        ),
        pytest.param(
            moved("a@a.com", "b@a.com"),
            "mailbox/b@a.com is moved to and not declared",
            id="to-nobody",
        ),
        pytest.param(
            boxes("c@a.com") + moved("a@a.com", "b@a.com") + moved("b@a.com", "c@a.com"),
            "if this one was applied before, remove it",
            id="two-in-a-row",
        ),
        pytest.param(
            boxes("a@a.com") + removed("a@a.com"),
            "mailbox/a@a.com is removed and still declared",
            id="removed-and-declared",
        ),
        pytest.param(
            boxes("a@a.com") + moved("a@a.com", "a@a.com"),
            "is moved away and still declared",
            id="onto-itself",
        ),
    ],
)
def test_moves_that_have_no_one_order_are_refused(text, told):
    with pytest.raises(ManifestError) as refused:
        manifest.read([Source("m", (HEAD + text).encode())])

    assert told in "\n".join(f"{p.text} {p.hint}" for p in refused.value.problems)
