"""Mail that was set aside is listed, restored by one rename, and purged when somebody says so."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from reconcilers.change import Action
from reconcilers.host.faulty import Fault, Faulty, Killed
from reconcilers.host.host import Access, Nature, StepError
from reconcilers.host.read_only import ReadOnly
from reconcilers.records import unsealed
from reconcilers.tombstones import (
    NoTombstoneError,
    expired,
    half_purged,
    meant,
    purge,
    restoration,
    tombstones,
    whose,
)

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OPS = '[mailboxes."ops@a.com"]\nowner = "bob"\n'
BOTH = HEAD + INFO + OPS
STEM = "2026-01-02-030405-hello.md"


@pytest.fixture
def stone(machine):
    """A machine without info@a.com, whose mail is set aside as info@a.com.2."""
    machine.apply(BOTH)
    deliver(machine)
    machine.apply(HEAD + OPS)
    return machine


def deliver(machine, content=b"mail"):
    inbox = machine.roots.mailbox("a.com", "inbox", "info")
    machine.host.plant_file(inbox / STEM, content, Access(0o600, 1000, 1000))
    return inbox


def restored(machine, name="info@a.com"):
    return restoration(ReadOnly(machine.host), machine.roots, name)


def purged(machine, name="info@a.com"):
    return purge(ReadOnly(machine.host), machine.roots, name)


def test_a_tombstone_says_whose_mail_it_is_and_how_much(stone):
    (found,) = tombstones(stone.host, stone.roots)

    record = found.record
    assert (record.address, record.owner, record.uid) == ("info@a.com", "alice", 1000)
    assert (record.generation, record.messages, record.octets) == (2, 1, 4)
    assert (record.newest, found.since) == ("2026-01-02", stone.host.now())


def test_a_restored_mailbox_has_its_mail_by_one_rename_and_no_tombstone(stone):
    before = stone.host.look(stone.roots.tombstones / "info@a.com.2" / "inbox").inode
    stone.apply(BOTH)

    plan = restored(stone)
    stone.carry_out(plan)

    inbox = stone.roots.mailbox("a.com", "inbox", "info")
    assert [change.action for change in plan.changes] == [Action.MOVE]
    assert stone.host.look(inbox).inode == before
    assert stone.host.names(inbox) == (STEM,)
    assert stone.host.names(stone.roots.tombstones) == ()
    assert stone.plan(BOTH).is_empty


def test_a_mailbox_with_mail_of_its_own_is_never_mixed_with_another(stone):
    stone.apply(BOTH)
    inbox = deliver(stone, b"new")

    plan = restored(stone)

    assert plan.changes[0].blocked.code == "mailbox-has-mail"
    assert plan.steps == ()
    assert stone.host.read(inbox / STEM) == b"new"


def test_mail_that_comes_while_it_is_restored_stays_and_so_does_the_tombstone(stone):
    stone.apply(BOTH)
    plan = restored(stone)
    inbox = deliver(stone, b"new")

    receipts = stone.carry_out(plan)

    assert "not empty" in receipts[0].reason
    assert stone.host.read(inbox / STEM) == b"new"
    assert stone.host.read(stone.roots.tombstones / "info@a.com.2" / "inbox" / STEM) == b"mail"


def test_another_owner_does_not_get_the_mail(stone):
    stone.apply(HEAD + OPS + INFO.replace("alice", "bob"))

    plan = restored(stone)

    assert plan.changes[0].blocked.code == "foreign-owner"
    assert plan.steps == ()


@pytest.mark.parametrize("nature", [Nature.OTHER, Nature.FILE])
def test_what_is_no_directory_is_never_put_into_the_place_of_one(stone, nature):
    inbox = stone.roots.tombstones / "info@a.com.2" / "inbox"
    stone.apply(BOTH)
    stone.host.remove_tree(inbox)
    stone.host.plant_other(inbox, nature)

    plan = restored(stone)

    assert plan.changes[0].blocked.code == f"{nature}-in-the-way"
    assert plan.steps == ()


def test_mail_whose_record_is_gone_is_still_its_owner_s(stone):
    stone.host.remove_file(stone.roots.tombstones / "info@a.com.2" / "tombstone.json")
    stone.apply(HEAD + OPS + INFO.replace("alice", "bob"))

    (found,) = tombstones(stone.host, stone.roots)
    plan = restored(stone)

    record = found.record
    assert (record.address, record.owner, record.messages, record.octets) == (
        "info@a.com",
        "",
        1,
        4,
    )
    assert plan.changes[0].blocked.code == "foreign-owner"
    assert "was uid 1000's" in plan.changes[0].blocked.reason


@pytest.mark.parametrize("make", [restored, purged])
def test_a_plan_is_of_the_tombstone_that_was_seen_and_of_no_other_of_its_name(stone, make):
    stone.apply(BOTH)
    path = stone.roots.tombstones / "info@a.com.2"
    before = make(stone).changes[0]
    stone.host.move(path, stone.roots.data / "another")
    stone.host.plant_directory(path)

    assert make(stone).changes[0].fingerprint != before.fingerprint


@pytest.mark.parametrize("make", [restored, purged])
def test_what_is_restored_or_purged_says_how_much_it_holds(stone, make):
    stone.apply(BOTH)

    assert make(stone).changes[0].notes == ("It holds 1 message, 4 octets, newest 2026-01-02.",)


def test_a_message_with_attachments_is_one_with_all_that_is_in_it(stone):
    bundle = stone.roots.tombstones / "info@a.com.2" / "inbox" / "2026-02-03-040506-more"
    for name in ("2026-02-03-040506-more.md", "picture.png"):
        stone.host.plant_file(bundle / name, b"12345")
    stone.host.plant_file(bundle.with_name(".draft"), b"no message")
    stone.apply(BOTH)

    assert purged(stone).changes[0].notes == ("It holds 2 messages, 14 octets, newest 2026-02-03.",)


@pytest.mark.parametrize("address", ["*@a.com", f"{'x' * 64}@{'y' * 60}.{'z' * 60}.{'a' * 60}"])
def test_mail_is_given_back_whose_record_is_damaged(machine, address):
    domain = address.partition("@")[2]
    head = f'domains = ["a.com", "{domain}"]\n' if domain != "a.com" else HEAD
    box = f'[mailboxes."{address}"]\nowner = "alice"\n'
    machine.apply(head + OPS + box)
    folder = "catchall" if address[0] == "*" else address.partition("@")[0]
    inbox = machine.roots.mailbox(domain, "inbox", folder)
    machine.host.plant_file(inbox / STEM, b"mail", Access(0o600, 1000, 1000))
    machine.apply(head + OPS)
    (stone,) = tombstones(machine.host, machine.roots)
    machine.host.plant_file(stone.path / "tombstone.json", b"{")

    machine.apply(head + OPS + box)
    machine.carry_out(restored(machine, stone.name))

    assert machine.host.read(inbox / STEM) == b"mail"


def test_an_address_that_is_not_declared_is_to_be_declared_first(stone):
    plan = restored(stone)

    assert plan.changes[0].blocked.code == "not-declared"
    assert '[mailboxes."info@a.com"] with owner = "alice"' in plan.changes[0].blocked.remedy


def test_several_tombstones_of_an_address_are_told_apart_by_name(stone):
    stone.apply(BOTH)
    stone.apply(HEAD + OPS)

    with pytest.raises(NoTombstoneError, match=r"info@a\.com\.2, info@a\.com\.4"):
        meant(stone.host, stone.roots, "info@a.com")
    assert meant(stone.host, stone.roots, "info@a.com.4").name == "info@a.com.4"


def test_there_is_no_tombstone_of_what_never_went(stone):
    with pytest.raises(NoTombstoneError, match="aimx tombstones list"):
        restored(stone, "ops@a.com")


def test_a_purge_deletes_that_mail_and_nothing_else(stone):
    stone.apply(BOTH)
    inbox = deliver(stone)

    stone.carry_out(purged(stone))

    assert stone.host.names(stone.roots.tombstones) == ()
    assert stone.host.names(inbox) == (STEM,)
    assert stone.plan(BOTH).is_empty


@pytest.mark.parametrize("make", [restored, purged])
def test_a_plan_of_it_writes_nothing_and_is_the_same_again(stone, make):
    stone.apply(BOTH)
    before = stone.host.tree()

    assert make(stone) == make(stone)
    assert stone.host.tree() == before


def test_nothing_is_ever_restored_from_half_a_tombstone(stone):
    plan = purged(stone)
    stone.take_until(plan, plan.steps[-1].id)

    assert tombstones(stone.host, stone.roots) == ()
    assert [path.name for path in half_purged(stone.host, stone.roots)] == ["info@a.com.2,deleting"]


@pytest.mark.parametrize("name", ["info@a.com.2", "info@a.com"])
def test_a_purge_that_was_killed_is_finished_by_another(stone, name):
    plan = purged(stone)
    stone.take_until(plan, plan.steps[-1].id)

    rest = purge(stone.host, stone.roots, name)
    stone.carry_out(rest)

    assert whose(rest) == whose(plan) == "info@a.com"
    assert half_purged(stone.host, stone.roots) == ()
    with pytest.raises(NoTombstoneError):
        purge(stone.host, stone.roots, name)


@pytest.mark.parametrize("strike", range(1, 7))
def test_a_restoration_that_was_killed_loses_no_mail_and_can_be_finished(stone, strike):
    stone.apply(BOTH)
    host, faulty = stone.host, Faulty(stone.host, strike, Fault.KILLED_BEFORE)
    stone.host = faulty
    with suppress(Killed, StepError):
        stone.carry_out(restored(stone))
    stone.host = host

    stone.apply(BOTH)
    if tombstones(host, stone.roots):
        stone.carry_out(restored(stone))

    assert host.names(stone.roots.mailbox("a.com", "inbox", "info")) == (STEM,)
    assert host.names(stone.roots.tombstones) == ()
    assert stone.plan(BOTH).is_empty


def test_what_was_kept_long_enough_is_told(stone):
    day, now = timedelta(days=1), stone.host.now()

    assert expired(stone.host, stone.roots, day, now) == ()
    assert [s.name for s in expired(stone.host, stone.roots, day, now + day)] == ["info@a.com.2"]


@pytest.mark.parametrize("at", ["", "yesterday", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z"])
def test_what_does_not_say_since_when_is_kept(stone, at):
    path = stone.roots.tombstones / "info@a.com.2" / "tombstone.json"
    told = unsealed(stone.host.read(path))
    stone.host.plant_file(path, json.dumps({**told, "at": at}).encode())

    later = stone.host.now() + timedelta(days=3650)

    assert expired(stone.host, stone.roots, timedelta(days=1), later) == ()


LONG = f"{'l' * 64}@{'.'.join(['d' * 60] * 3)}.example"


def test_the_longest_address_has_a_tombstone_and_gets_its_mail_back(machine):
    domain = LONG.partition("@")[2]
    head = f'domains = ["a.com", "{domain}"]\n'
    declared = head + OPS + f'[mailboxes."{LONG}"]\nowner = "alice"\n'
    machine.apply(declared)
    inbox = machine.roots.mailbox(domain, "inbox", "l" * 64)
    machine.host.plant_file(inbox / STEM, b"mail", Access(0o600, 1000, 1000))

    machine.take_until(machine.plan(head + OPS), f"mailbox/{LONG}#3")
    machine.apply(head + OPS)
    (name,) = machine.host.names(machine.roots.tombstones)
    machine.apply(declared)
    machine.carry_out(restored(machine, LONG))

    assert len(name) < 255
    assert machine.host.names(inbox) == (STEM,)


def test_the_longest_address_can_be_deleted(machine):
    domain = LONG.partition("@")[2]
    head = f'domains = ["a.com", "{domain}"]\n'
    machine.apply(head + OPS + f'[mailboxes."{LONG}"]\nowner = "alice"\n')
    text = head + OPS + f'[[removed]]\naddress = "mailbox/{LONG}"\ndata = "delete"\n'

    machine.take_until(machine.plan(text), f"mailbox/{LONG}#6")
    machine.apply(text)

    assert machine.host.names(machine.roots.retiring) == ()
    assert machine.plan(text).is_empty
