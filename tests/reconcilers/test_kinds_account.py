from reconcilers.change import Lacking
from reconcilers.inspection import explained
from reconcilers.report.status import status_rows
from reconcilers.report.text import plan_text

ONE = 'domains = ["a.com"]\n'
MISSING = ONE + '[server]\nusers = { inbound = "not-yet" }\n'
TOLD = Lacking(
    "account/not-yet",
    "there is no user not-yet, so nobody stands in for it",
    "make it with `useradd --system --no-create-home --shell /usr/sbin/nologin not-yet`, apply"
    " again, and restart the daemon",
)


def test_a_missing_service_user_is_told_before_and_after_the_apply(machine):
    before = machine.apply(MISSING)

    after = machine.plan(MISSING)
    assert before.lacking == after.lacking == (TOLD,)


def test_a_missing_service_user_keeps_nothing_from_being_applied(machine):
    machine.apply(MISSING)

    assert machine.plan(MISSING).is_empty
    assert machine.host.look(machine.roots.spool).uid == 65534


def test_the_plan_of_a_settled_machine_tells_of_it_above_its_last_line(machine):
    machine.apply(MISSING)

    told = plan_text(machine.plan(MISSING), columns=300)

    assert told == (f"  {TOLD}\n\nNo changes. The machine matches the manifest (generation 1).\n")


def test_the_status_has_a_row_for_it(machine):
    machine.apply(MISSING)

    rows = status_rows(machine.plan(MISSING))

    assert [(row.address, row.symbol, row.why) for row in rows] == [
        ("account/not-yet", "", TOLD.reason)
    ]


def test_it_can_be_explained(machine):
    machine.apply(MISSING)

    made, desired = machine.plan(MISSING), machine.desired(MISSING)
    told = explained("account/not-yet", made, desired, machine.host, machine.roots)

    assert told.idle == f"{TOLD.reason}; {TOLD.remedy}"
    assert told.observed is None


def test_where_the_users_are_there_nothing_is_told(machine):
    assert machine.plan(ONE).lacking == ()


def test_rootless_no_user_is_needed(rootless):
    assert rootless.plan(MISSING).lacking == ()
