import json

from reconcilers.host.host import Access
from reconcilers.report.document import written
from reconcilers.report.staleness import staleness

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'


def saved(plan):
    return json.loads(written(plan))


def test_a_plan_that_still_fits_has_no_reason(machine):
    machine.apply(HEAD)
    plan = saved(machine.plan(HEAD + INFO))

    assert staleness(plan, machine.plan("# A comment.\n" + HEAD + INFO)) == ()


def test_each_resource_says_why_the_plan_does_not_fit_any_more(machine):
    machine.apply(HEAD)
    plan = saved(machine.plan(HEAD + INFO))
    machine.host.set_access(machine.roots.readme, Access(0o600, 0, 0))
    inbox = machine.roots.mailbox("a.com", "inbox", "info")
    machine.host.make_directory(inbox, Access(0o700, 1000, 1000))

    assert staleness(plan, machine.plan(HEAD + INFO)) == (
        "mailbox/info@a.com: it is not as it was when the plan was made",
        "readme: to repair now, since its access has changed",
    )


def test_a_plan_that_was_applied_is_spent(machine):
    machine.apply(HEAD)
    plan = saved(machine.plan(HEAD + INFO))
    machine.apply(HEAD + INFO)

    assert staleness(plan, machine.plan(HEAD + INFO)) == (
        "config: there is nothing to update any more",
        "mailbox/info@a.com: there is nothing to create any more",
    )


def test_something_else_is_no_saved_plan(machine):
    assert staleness({"format": "aimx.status"}, machine.plan(HEAD)) == ("this is not a saved plan",)
