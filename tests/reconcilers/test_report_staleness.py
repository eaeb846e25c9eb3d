from reconcilers.host.host import Access
from reconcilers.report.saved import load, saved
from reconcilers.report.staleness import Stale, staleness

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'


def kept(machine, plan):
    return load(saved(plan, machine.roots, "", 0), machine.roots)


def test_a_plan_that_still_fits_has_no_reason(machine):
    machine.apply(HEAD)
    plan = kept(machine, machine.plan(HEAD + INFO))

    assert staleness(plan, machine.plan("# A comment.\n" + HEAD + INFO)) == ()


def test_each_resource_says_why_the_plan_does_not_fit_any_more(machine):
    machine.apply(HEAD)
    plan = kept(machine, machine.plan(HEAD + INFO))
    machine.host.set_access(machine.roots.readme, Access(0o600, 0, 0))
    inbox = machine.roots.mailbox("a.com", "inbox", "info")
    machine.host.make_directory(inbox, Access(0o700, 1000, 1000))

    assert staleness(plan, machine.plan(HEAD + INFO)) == (
        Stale(
            "mailbox/info@a.com",
            "machine",
            "it is not as it was on the machine when the plan was made",
        ),
        Stale("readme", "machine", "to repair now, since its access has changed"),
    )


def test_a_manifest_that_changed_is_told_from_a_machine_that_did(machine):
    machine.apply(HEAD)
    plan = kept(machine, machine.plan(HEAD + INFO))

    stale = staleness(plan, machine.plan(HEAD + INFO.replace("alice", "bob")))

    assert [(each.address, each.changed) for each in stale] == [
        ("config", "manifest"),
        ("mailbox/info@a.com", "manifest"),
    ]


def test_a_plan_of_an_earlier_generation_says_so_first(machine):
    machine.apply(HEAD)
    plan = kept(machine, machine.plan(HEAD + INFO))
    machine.apply(HEAD + INFO)

    first, *rest = staleness(plan, machine.plan(HEAD + INFO))

    assert str(first) == "generation: the machine is at generation 2, and was at 1"
    assert [str(each) for each in rest] == [
        "config: there is nothing to update any more",
        "mailbox/info@a.com: there is nothing to create any more",
    ]


def test_another_key_put_in_the_place_of_the_one_to_be_adopted_is_another_plan(machine):
    private = machine.roots.keys("a.com") / "private.key"
    machine.host.plant_file(private, machine.host.new_private_key())
    plan = kept(machine, machine.plan(HEAD))
    machine.host.plant_file(private, machine.host.new_private_key())

    stale = staleness(plan, machine.plan(HEAD))

    assert [(each.address, each.changed) for each in stale] == [("dkim/a.com/aimx", "machine")]
