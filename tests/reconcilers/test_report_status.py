from reconcilers.host.host import Access
from reconcilers.report.status import status_rows

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'


def test_the_columns_tell_drift_apart_from_what_an_apply_would_do(machine):
    machine.apply(HEAD + INFO)
    machine.host.set_access(machine.roots.marker, Access(0o600, 0, 0))
    new = '[mailboxes."new@a.com"]\nowner = "alice"\n[mailboxes."late@a.com"]\nowner = "carol"\n'

    rows = status_rows(machine.plan(HEAD + INFO + new))

    assert [(row.drifted, row.symbol, row.address, row.why) for row in rows] == [
        (True, "~", "layout", "what the last apply left here has changed"),
        (
            False,
            "!",
            "mailbox/late@a.com",
            "there is no user carol on this machine, so the mailbox stays inactive and its mail is"
            " answered with 450",
        ),
        (False, "+", "mailbox/new@a.com", "the manifest declares it"),
        (False, "~", "config", "the manifest changed"),
    ]


def test_what_cannot_be_looked_at_is_neither_drifted_nor_fine(machine):
    machine.apply(HEAD)
    machine.host.plant_blindness(machine.roots.readme)

    rows = status_rows(machine.plan(HEAD))

    assert [(row.drifted, row.symbol, row.address) for row in rows] == [(False, "?", "readme")]


def test_a_machine_as_it_should_be_has_no_rows(machine):
    machine.apply(HEAD + INFO)

    assert status_rows(machine.plan(HEAD + INFO)) == ()


def test_with_all_addresses_those_that_are_as_they_should_be_come_last(machine):
    machine.apply(HEAD + INFO)
    machine.host.set_access(machine.roots.marker, Access(0o600, 0, 0))

    rows = status_rows(machine.plan(HEAD + INFO), ("layout", "readme", "config"))

    assert [(row.symbol, row.address) for row in rows] == [
        ("~", "layout"),
        ("", "readme"),
        ("", "config"),
    ]
