import pytest

from reconcilers.change import Lacking
from reconcilers.inspection import explained
from reconcilers.report.document import document
from reconcilers.report.markdown import plan_markdown
from reconcilers.report.status import status_rows
from reconcilers.report.text import plan_text

ONE = 'domains = ["a.com"]\n'
MISSING = ONE + '[server]\nusers = { inbound = "not-yet" }\n'
TOLD = Lacking(
    "account/not-yet",
    "there is no such user; the user nobody stands in",
    "make it with `useradd --system --no-create-home --shell /usr/sbin/nologin not-yet`; a daemon"
    " takes it within seconds",
    "layout",
)


def test_a_missing_service_user_is_told_before_and_after_the_apply(machine):
    before = machine.apply(MISSING)

    after = machine.plan(MISSING)
    assert before.lacking == after.lacking == (TOLD,)


def test_a_missing_service_user_keeps_nothing_from_being_applied(machine):
    machine.apply(MISSING)

    assert machine.plan(MISSING).is_empty
    assert machine.host.look(machine.roots.spool).uid == 65534


@pytest.mark.parametrize("form", [lambda plan: plan_text(plan, columns=300), plan_markdown])
def test_a_plan_tells_of_it_where_what_it_would_own_changes(machine, form):
    first = form(machine.plan(MISSING))
    machine.apply(MISSING)
    settled = form(machine.plan(MISSING))
    more = form(machine.plan(MISSING + '[mailboxes."a@a.com"]\nowner = "alice"\n'))

    told = ["useradd" in text for text in (first, settled, more)]
    assert told == [True, False, False]


def test_a_plan_as_data_always_tells_of_it(machine):
    machine.apply(MISSING)

    assert document(machine.plan(MISSING))["notes"] == [str(TOLD)]


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
