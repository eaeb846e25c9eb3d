import json
from dataclasses import replace

import pytest

from desired.desired import Moved, Removed
from desired.names import Address
from reconcilers.change import Action, Field
from reconcilers.host.host import Access, Nature
from reconcilers.records import unsealed
from reconcilers.report.view import counts
from reconcilers.tombstones import restoration, tombstones

HEAD = 'domains = ["a.com", "b.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OPS = '[mailboxes."ops@a.com"]\nowner = "bob"\n'
BOTH = HEAD + INFO + OPS
LONG = f"{'l' * 64}@{'.'.join(['d' * 60] * 3)}.example"
ALICE = Access(0o700, 1000, 1000)


def deliver(machine, stem="2026-01-02-030405-hello", name="info", content=b"mail"):
    path = machine.roots.mailbox("a.com", "inbox", name) / f"{stem}.md"
    machine.host.plant_file(path, content, Access(0o600, 1000, 1000))
    return path


def moving(machine):
    """The manifest with info renamed to hello."""
    moved = Moved(Address.parse("info@a.com"), Address.parse("hello@a.com"))
    return replace(machine.desired(HEAD + INFO.replace("info@", "hello@") + OPS), moved=(moved,))


def deleting(machine):
    """The manifest without info, whose mail is to go as well."""
    removed = Removed(Address.parse("info@a.com"), "delete")
    return replace(machine.desired(HEAD + OPS), removed=(removed,))


def test_both_directories_belong_to_the_owner_alone(machine):
    machine.apply(BOTH)

    for folder in ("inbox", "sent"):
        tree = machine.host.tree()
        assert tree[machine.roots.mailbox("a.com", folder, "info")][1] == ALICE
        assert tree[machine.roots.folder("a.com", folder)][1].mode == 0o755


def test_the_catchall_has_a_directory_of_its_name(machine):
    text = HEAD + '[mailboxes."*@b.com"]\nowner = "aimx-catchall"\n'

    machine.apply(text)

    assert machine.host.look(machine.roots.mailbox("b.com", "inbox", "catchall")).uid == 803
    assert machine.plan(text).is_empty


def test_a_mailbox_whose_owner_is_missing_is_blocked_and_the_rest_is_applied(machine):
    text = BOTH + '[mailboxes."late@a.com"]\nowner = "nobody-yet"\n'

    plan = machine.apply(text)

    assert [(c.address, c.blocked.code) for c in plan.blocked] == [
        ("mailbox/late@a.com", "owner-missing")
    ]
    assert b'"late@a.com"' in machine.host.read(machine.roots.engine_config)
    assert machine.host.look(machine.roots.mailbox("a.com", "inbox", "late")) is None
    assert machine.host.look(machine.roots.mailbox("a.com", "inbox", "info")) is not None


def test_rootless_a_mailbox_of_somebody_else_is_blocked(rootless):
    change = rootless.change(HEAD + OPS, "mailbox/ops@a.com")

    assert change.blocked.code == "owner-not-ours"


@pytest.mark.parametrize(
    ("nature", "code"),
    [
        pytest.param(Nature.SYMLINK, "symlink-in-the-way", id="link"),
        pytest.param(Nature.FILE, "file-in-the-way", id="file"),
        pytest.param(Nature.OTHER, "other-in-the-way", id="socket"),
    ],
)
def test_something_else_in_its_place_is_blocked_and_stays(machine, nature, code):
    machine.apply(HEAD)
    path = machine.roots.mailbox("a.com", "inbox", "info")
    machine.host.plant_other(path, nature)

    change = machine.change(HEAD + INFO, "mailbox/info@a.com")
    machine.carry_out(machine.plan(HEAD + INFO))

    assert change.blocked.code == code
    assert machine.host.look(path).nature is nature


def test_a_directory_of_another_user_is_blocked(machine):
    machine.apply(BOTH)

    change = machine.change(HEAD + INFO.replace("alice", "bob") + OPS, "mailbox/info@a.com")

    assert change.blocked.code == "foreign-owner"
    assert "belongs to uid 1000, not to bob" in change.blocked.reason


def test_a_mode_that_drifted_is_repaired(machine):
    machine.apply(BOTH)
    path = machine.roots.mailbox("a.com", "sent", "info")
    machine.host.set_access(path, Access(0o755, 1000, 1000))

    change = machine.change(BOTH, "mailbox/info@a.com")
    machine.apply(BOTH)

    assert (change.action, change.drifted) == (Action.REPAIR, True)
    assert change.fields == (Field("sent mode", "0755", "0700"),)
    assert machine.host.tree()[path][1] == ALICE


def test_a_directory_that_is_gone_is_drift_and_comes_back(machine):
    machine.apply(BOTH)
    machine.host.remove_tree(machine.roots.mailbox("a.com", "inbox", "info"))
    machine.host.remove_tree(machine.roots.mailbox("a.com", "sent", "info"))

    change = machine.change(BOTH, "mailbox/info@a.com")
    machine.apply(BOTH)

    assert (change.action, change.drifted) == (Action.CREATE, True)
    assert machine.plan(BOTH).is_empty


def test_directories_that_no_generation_knew_are_left_alone(machine):
    machine.apply(BOTH)
    deliver(machine, name="stranger")

    assert machine.plan(BOTH).is_empty


def test_a_removed_mailbox_becomes_a_tombstone_with_all_its_mail(machine):
    machine.apply(BOTH)
    deliver(machine)
    deliver(machine, "2026-02-03-040506-later", content=b"more mail")

    change = machine.change(HEAD + OPS, "mailbox/info@a.com")
    machine.apply(HEAD + OPS)

    assert change.action is Action.QUARANTINE
    assert change.notes == (
        "It holds 2 messages, 13 octets, newest 2026-02-03, unread unknown.",
        "Its mail becomes the tombstone info@a.com.2; nothing is deleted.",
    )
    aside = machine.roots.tombstones / "info@a.com.2"
    assert machine.host.read(aside / "inbox" / "2026-01-02-030405-hello.md") == b"mail"
    assert machine.host.look(aside / "sent").mode == 0o700
    assert unsealed(machine.host.read(aside / "tombstone.json")) == {
        "address": "info@a.com",
        "owner": "alice",
        "tombstone": "info@a.com.2",
        "delete": False,
        "uid": 1000,
        "generation": 2,
        "at": "2026-01-02T03:04:05Z",
        "messages": 2,
        "octets": 13,
        "newest": "2026-02-03",
    }
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.host.look(machine.roots.mailbox("a.com", "inbox", "info")) is None
    assert machine.plan(HEAD + OPS).is_empty


def test_mail_is_set_aside_only_after_the_engine_has_let_go_of_it(machine):
    machine.apply(BOTH)

    steps = [step.phase.name for step in machine.plan(HEAD + OPS).steps]

    assert steps.index("COMMIT") < steps.index("RETIRE")


def test_a_removal_that_was_killed_after_the_engine_config_is_finished(machine):
    machine.apply(BOTH)
    deliver(machine)
    machine.take_until(machine.plan(HEAD + OPS), "mailbox/info@a.com#3")

    plan = machine.apply(HEAD + OPS)

    removal = next(change for change in plan.changes if change.kind == "mailbox")
    assert removal.why == "its removal was begun and is not finished"
    assert machine.host.names(machine.roots.tombstones) == ("info@a.com.2",)
    assert machine.plan(HEAD + OPS).is_empty


def taken(machine, *folders):
    """What a removal that is killed takes of the mailbox."""
    for folder in folders:
        source = machine.roots.mailbox("a.com", folder, "info")
        machine.host.move(source, machine.roots.retiring / "info@a.com" / folder)


OFFER = (
    "A removal that was not finished took mail of it, which becomes the tombstone info@a.com.2: to"
    " have it again, run `aimx tombstones restore info@a.com.2` after this apply."
)


@pytest.mark.parametrize(
    ("removing", "folders", "action"),
    [
        pytest.param(lambda machine: HEAD + OPS, ["inbox"], Action.REPAIR, id="half"),
        pytest.param(lambda machine: HEAD + OPS, ["inbox", "sent"], Action.CREATE, id="all"),
        pytest.param(deleting, ["inbox"], Action.REPAIR, id="to be deleted"),
    ],
)
def test_mail_of_a_removal_that_is_taken_back_half_way_is_offered(
    machine, removing, folders, action
):
    machine.apply(BOTH)
    deliver(machine)
    machine.take_until(machine.plan(removing(machine)), "mailbox/info@a.com#3")
    taken(machine, *folders)

    change = machine.change(BOTH, "mailbox/info@a.com")
    machine.apply(BOTH)

    assert (change.action, change.notes, change.unasked) == (action, (OFFER,), False)
    assert machine.host.names(machine.roots.retiring) == ()
    (stone,) = tombstones(machine.host, machine.roots)
    assert (stone.name, stone.record.delete, stone.record.messages) == ("info@a.com.2", False, 1)
    assert machine.plan(BOTH).is_empty
    machine.carry_out(restoration(machine.host, machine.roots, "info@a.com"))
    inbox = machine.roots.mailbox("a.com", "inbox", "info")
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)


def test_mail_of_a_removal_that_was_taken_back_earlier_is_offered_still(machine):
    machine.apply(BOTH)
    deliver(machine)
    machine.host.plant_directory(machine.roots.retiring / "info@a.com")
    taken(machine, "inbox")
    machine.host.make_directory(machine.roots.mailbox("a.com", "inbox", "info"), ALICE)

    assert machine.plan(BOTH, only={"mailbox/ops@a.com"}).changes == ()
    change = machine.change(BOTH, "mailbox/info@a.com")
    machine.apply(BOTH)

    assert (change.why, change.notes) == ("its removal was begun and is not finished", (OFFER,))
    (stone,) = tombstones(machine.host, machine.roots)
    assert (stone.name, stone.record.address) == ("info@a.com.2", "info@a.com")
    assert machine.plan(BOTH).is_empty


@pytest.mark.parametrize("name", ["info@a.com", LONG], ids=["short", "long"])
def test_what_a_killed_deletion_left_goes_though_the_mailbox_is_back(machine, name):
    text = HEAD.replace("]", f', "{LONG.partition("@")[2]}"]') + OPS
    declared = text + f'[mailboxes."{name}"]\nowner = "alice"\n'
    machine.apply(declared)
    gone = text + f'[[removed]]\naddress = "mailbox/{name}"\ndata = "delete"\n'
    machine.take_until(machine.plan(gone), f"mailbox/{name}#4")

    change = machine.change(declared, f"mailbox/{name}")
    machine.apply(declared)

    assert change.notes == ("What an earlier removal was deleting of it goes.",)
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.host.names(machine.roots.tombstones) == ()
    assert machine.plan(declared).is_empty


def test_a_removal_that_took_nothing_before_it_is_taken_back_is_none(machine):
    machine.apply(BOTH)
    mail = deliver(machine)
    machine.take_until(machine.plan(HEAD + OPS), "mailbox/info@a.com#3")

    plan = machine.apply(BOTH)

    assert [change.address for change in plan.changes] == ["config"]
    assert machine.host.read(mail) == b"mail"
    assert machine.host.names(machine.roots.tombstones) == ()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"tombstone": "info@a/com.2"}, id="a path"),
        pytest.param({"tombstone": "info@a.com.2,deleting"}, id="what is being deleted"),
        pytest.param({"tombstone": "ops@a.com.2"}, id="the name of another"),
        pytest.param({"address": "ops@a.com"}, id="the address of another"),
        pytest.param({"delete": 1}, id="no yes or no"),
        pytest.param({"generation": "2"}, id="no number"),
        pytest.param({"address": None}, id="no address"),
    ],
)
def test_a_removal_whose_record_was_damaged_is_finished_under_its_own_name(machine, damage):
    machine.apply(BOTH)
    deliver(machine)
    machine.take_until(machine.plan(HEAD + OPS), "mailbox/info@a.com#3")
    damaged_record(machine, "info@a.com", damage)

    machine.apply(HEAD + OPS)

    (stone,) = tombstones(machine.host, machine.roots)
    assert stone.name.startswith("info@a.com.")
    assert (stone.record.address, stone.record.messages) == ("info@a.com", 1)
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(HEAD + OPS).is_empty


@pytest.mark.parametrize("address", ["l@", "info@a.com", 5], ids=["none", "another's", "number"])
def test_a_long_name_whose_record_was_damaged_is_nobody_s(machine, address):
    text = HEAD.replace("]", f', "{LONG.partition("@")[2]}"]') + OPS
    machine.apply(text + f'[mailboxes."{LONG}"]\nowner = "alice"\n')
    machine.take_until(machine.plan(text), f"mailbox/{LONG}#3")
    (name,) = machine.host.names(machine.roots.retiring)
    damaged_record(machine, name, {"address": address})

    plan = machine.apply(text)

    assert [change.address for change in plan.changes] == ["config"]
    assert machine.host.names(machine.roots.retiring) == (name,)


def test_a_long_name_whose_record_was_damaged_is_that_of_the_mailbox_that_is_back(machine):
    text = HEAD.replace("]", f', "{LONG.partition("@")[2]}"]') + OPS
    declared = text + f'[mailboxes."{LONG}"]\nowner = "alice"\n'
    machine.apply(declared)
    machine.take_until(machine.plan(text), f"mailbox/{LONG}#3")
    (name,) = machine.host.names(machine.roots.retiring)
    damaged_record(machine, name, {"address": "l@"})
    machine.host.plant_directory(machine.roots.retiring / name / "inbox")

    change = machine.change(declared, f"mailbox/{LONG}")
    machine.apply(declared)

    (stone,) = tombstones(machine.host, machine.roots)
    assert stone.record.address == LONG
    assert stone.name in change.notes[0]
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(declared).is_empty


def damaged_record(machine, name, damage):
    """What a removal that is under way says of itself says this instead."""
    record = machine.roots.retiring / name / "tombstone.json"
    told = json.loads(machine.host.read(record))
    machine.host.plant_file(record, json.dumps({**told, **damage}).encode())


def test_mail_of_two_removals_is_never_mixed(machine):
    machine.apply(BOTH)
    deliver(machine)
    machine.host.plant_directory(machine.roots.retiring / "info@a.com")
    taken(machine, "inbox")
    machine.host.make_directory(machine.roots.mailbox("a.com", "inbox", "info"), ALICE)
    kept = deliver(machine, "2026-02-03-040506-later")

    change = machine.change(HEAD + OPS, "mailbox/info@a.com")
    machine.apply(HEAD + OPS)

    assert change.blocked.code == "retiring-exists"
    assert machine.host.read(kept) == b"mail"


def test_a_name_that_is_taken_is_no_tombstone_s(machine):
    machine.apply(BOTH)
    deliver(machine)
    for taken_name in ("info@a.com.2", "info@a.com.2-2"):
        machine.host.plant_directory(machine.roots.tombstones / taken_name)

    machine.apply(HEAD + OPS)

    aside = machine.roots.tombstones / "info@a.com.2-3" / "inbox"
    assert machine.host.names(aside) == ("2026-01-02-030405-hello.md",)


def test_what_is_set_aside_nobody_else_reads(machine):
    machine.apply(BOTH)
    machine.take_until(machine.plan(HEAD + OPS), "mailbox/info@a.com#3")
    retiring = machine.roots.retiring / "info@a.com"
    before = [machine.host.look(path).mode for path in (retiring, retiring / "tombstone.json")]

    machine.apply(HEAD + OPS)

    aside = machine.roots.tombstones / "info@a.com.2"
    after = [machine.host.look(path).mode for path in (aside, aside / "tombstone.json")]
    assert before == after == [0o700, 0o600]


@pytest.mark.parametrize("name", ["notes", "@", "x@", "x@y@z", "..@a.com", "x/y"])
def test_what_somebody_put_among_the_retiring_is_left_alone(machine, name):
    machine.apply(BOTH)
    machine.host.plant_directory(machine.roots.retiring / name)

    assert machine.plan(BOTH).is_empty


def test_an_address_that_comes_back_is_offered_its_mail_and_gets_none_of_it(machine):
    machine.apply(BOTH)
    deliver(machine)
    machine.apply(HEAD + OPS)

    change = machine.change(BOTH, "mailbox/info@a.com")
    machine.apply(BOTH)

    assert change.notes == (
        "An earlier mailbox of this address left its mail, which stays set aside: to have it again,"
        " run `aimx tombstones restore info@a.com.2` after this apply.",
    )
    assert machine.host.names(machine.roots.mailbox("a.com", "inbox", "info")) == ()


def test_a_mailbox_is_removed_again_and_again_without_losing_any_mail(machine):
    for number in range(3):
        machine.apply(BOTH)
        deliver(machine, content=b"%d" % number)
        machine.apply(HEAD + OPS)

    stones = machine.host.names(machine.roots.tombstones)
    kept = [machine.host.names(machine.roots.tombstones / name / "inbox") for name in stones]
    assert len(stones) == 3
    assert kept == [("2026-01-02-030405-hello.md",)] * 3


def test_a_removed_block_that_says_delete_deletes_the_mail(machine):
    machine.apply(BOTH)
    deliver(machine)
    text = deleting(machine)

    change = machine.change(text, "mailbox/info@a.com")
    machine.apply(text)

    assert (change.action, change.unasked) == (Action.DELETE, False)
    assert machine.host.names(machine.roots.tombstones) == ()
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(text).is_empty


def test_a_deletion_that_was_killed_half_way_is_finished(machine):
    machine.apply(BOTH)
    deliver(machine)
    text = deleting(machine)
    machine.take_until(machine.plan(text), "mailbox/info@a.com#4")

    machine.apply(text)

    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(text).is_empty


def test_where_a_purge_is_asked_for_the_mail_of_what_goes_is_deleted(machine):
    machine.apply(BOTH)
    deliver(machine)

    made = machine.plan(HEAD + OPS, purge=True)
    machine.carry_out(made)

    change = next(change for change in made.changes if change.kind == "mailbox")
    assert (change.action, change.unasked, made.purges) == (Action.DELETE, True, True)
    assert change.notes[1:] == ("Its mail is deleted, and cannot be had back.",)
    assert machine.host.names(machine.roots.tombstones) == ()
    assert machine.host.names(machine.roots.retiring) == ()


def test_a_purge_that_was_killed_half_way_is_finished_by_any_apply(machine):
    machine.apply(BOTH)
    deliver(machine)
    machine.take_until(machine.plan(HEAD + OPS, purge=True), "mailbox/info@a.com#4")

    machine.apply(HEAD + OPS)

    assert machine.host.names(machine.roots.tombstones) == ()
    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(HEAD + OPS).is_empty


def test_a_purge_is_guarded_as_any_removal(machine):
    machine.apply(BOTH)

    assert machine.plan(HEAD, purge=True).refused.code == "too-many-removals"
    assert counts(machine.plan(HEAD, 2, purge=True))["delete"] == 2


def test_a_purge_where_nothing_goes_is_none(machine):
    machine.apply(BOTH)

    assert machine.plan(BOTH, purge=True) == machine.plan(BOTH)


def test_a_moved_mailbox_keeps_its_mail(machine):
    machine.apply(BOTH)
    deliver(machine)
    text = moving(machine)

    change = machine.change(text, "mailbox/hello@a.com")
    plan = machine.apply(text)

    assert change.action is Action.MOVE
    assert [c.address for c in plan.changes] == ["mailbox/hello@a.com", "config"]
    inbox = machine.roots.mailbox("a.com", "inbox", "hello")
    assert machine.host.names(inbox) == ("2026-01-02-030405-hello.md",)
    assert machine.host.look(machine.roots.mailbox("a.com", "inbox", "info")) is None
    assert machine.plan(text).is_empty


def test_a_move_onto_what_is_there_is_blocked(machine):
    machine.apply(BOTH)
    deliver(machine, name="hello")

    plan = machine.plan(moving(machine))

    assert [(c.address, c.blocked.code) for c in plan.blocked] == [
        ("mailbox/hello@a.com", "move-target-exists"),
        ("config", "needs-another"),
    ]


def test_a_mailbox_below_a_blocked_domain_waits_for_it(machine):
    machine.apply('domains = ["a.com"]\n')
    machine.host.plant_other(machine.roots.domain("b.com"), Nature.SYMLINK)
    text = HEAD + '[mailboxes."x@b.com"]\nowner = "alice"\n'

    plan = machine.plan(text)

    assert {c.address: c.blocked.code for c in plan.blocked} == {
        "domain/b.com": "symlink-in-the-way",
        "mailbox/x@b.com": "needs-another",
    }
