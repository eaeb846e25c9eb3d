"""Each scene is one resource, and what its explanation must say."""

import pytest

from reconcilers.host.host import Access
from reconcilers.host.read_only import ReadOnly
from reconcilers.inspection import Unknown, explained
from reconcilers.kinds.table import RECONCILERS
from reconcilers.report.explanation import (
    Explanation,
    explanation_document,
    explanation_text,
)

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OLD = '[mailboxes."old@a.com"]\nowner = "alice"\n'
LATE = '[mailboxes."late@a.com"]\nowner = "carol"\n'


def explain(machine, address, text=HEAD + INFO):
    desired = machine.desired(text)
    host = ReadOnly(machine.host)
    return explained(address, machine.plan(desired), desired, host, machine.roots)


def told(machine, address, text=HEAD + INFO, columns=200):
    found = explain(machine, address, text)
    assert isinstance(found, Explanation)
    return explanation_text(found, columns=columns)


ADDRESSES = [
    "layout",
    "dkim/a.com/aimx",
    "certificate",
    "domain/a.com",
    "mailbox/info@a.com",
    "readme",
    "config",
]


def test_every_kind_is_among_those_that_are_explained():
    kinds = {it.kind for it in RECONCILERS}
    assert {address.partition("/")[0] for address in ADDRESSES} == kinds - {"account", "manifest"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_resource_that_is_not_there_yet_is_explained(machine, address):
    text = told(machine, address)

    assert "\nLast applied: no generation is on record\n" in text
    assert "\nAction: + create, " in text
    assert text.endswith("\nTo do, run:\n    aimx apply\n")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_resource_that_is_as_it_should_be_is_explained(machine, address):
    machine.apply(HEAD + INFO)

    text = told(machine, address)

    assert "\nObserved:\n" in text
    assert text.endswith("\nAction: none, it is as the manifest says\n")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_explanation_as_data_tells_the_same(machine, address):
    machine.apply(HEAD + INFO)

    document = explanation_document(explain(machine, address))

    assert document["address"] == address
    assert document["desired"]["standing"] == document["observed"]
    assert (document["action"], document["commands"], document["blocked"]) == (None, [], None)


def test_a_mailbox_is_explained_from_its_line_to_what_comes_next(machine):
    machine.apply(HEAD + INFO)
    machine.host.set_access(
        machine.roots.mailbox("a.com", "inbox", "info"), Access(0o755, 1000, 1000)
    )

    text = told(machine, "mailbox/info@a.com")

    assert text.startswith("mailbox/info@a.com\n\nDesired (manifest.toml:2):\n")
    assert "\n  owner: alice\n" in text
    assert "\n  inbox: 0700, uid 1000, gid 1000\n" in text
    assert "\n  inbox: 0755, uid 1000, gid 1000\n" in text
    assert (
        "\nAction: ~ repair, its directories are not as the manifest asks; drifted since the last"
        " apply\n  inbox mode: 0755 -> 0700\n\nTo do, run:\n    aimx apply\n"
    ) in text


def test_what_is_blocked_says_by_what_and_which_command_lifts_it(machine):
    machine.apply(HEAD + INFO)

    text = told(machine, "mailbox/late@a.com", HEAD + INFO + LATE)

    assert "\nAction: ! would create, the manifest declares it\n" in text
    assert "\nBlocked (owner-missing): there is no user carol on this machine" in text
    assert text.endswith("\nTo do, run:\n    useradd --create-home carol\n    aimx apply\n")


def test_what_needs_another_leads_to_that_one(machine):
    machine.host.plant_file(
        machine.roots.keys("a.com") / "public.key", b"left", Access(0o644, 0, 0)
    )

    text = told(machine, "config")

    assert "\nBlocked (needs-another): it needs dkim/a.com/aimx, which is blocked\n" in text
    assert text.endswith("\nTo do, run:\n    aimx explain dkim/a.com/aimx\n")


def test_too_many_removals_name_the_command_that_allows_them(machine):
    machine.apply(HEAD + INFO)

    text = told(machine, "mailbox/info@a.com", HEAD)

    assert "\nDesired: no, nothing asks for it\n" in text
    assert "\nBlocked (too-many-removals): no mailbox would be left of 1\n" in text
    assert text.endswith("\n    aimx apply --allow-removals 1\n")


def test_what_is_gone_for_good_is_explained_from_the_record(machine):
    machine.apply(HEAD + INFO + OLD)
    machine.apply(HEAD + INFO, allow_removals=1)

    text = told(machine, "mailbox/old@a.com")

    assert "\nLast applied: quarantine in generation 2, " in text
    assert "\nObserved: it is not there\nAction: none, it is neither desired nor there\n" in text


def test_what_cannot_be_looked_at_is_said_to_be_so(machine):
    machine.apply(HEAD + INFO)
    machine.host.plant_blindness(machine.roots.readme)

    text = told(machine, "readme")

    assert "\nObserved: could not be looked at: " in text
    assert "\nAction: none, since nothing is planned for what could not be looked at\n" in text


def test_before_the_layout_is_understood_nothing_else_is_planned(machine):
    machine.host.plant_file(machine.roots.marker, b"99\n")

    assert "Action: none, since nothing is planned before layout is as it should be" in told(
        machine, "mailbox/info@a.com"
    )


def test_records_that_nobody_may_read_keep_nothing_else_from_being_told(machine):
    machine.apply(HEAD + INFO)
    machine.host.plant_blindness(machine.roots.generations)

    assert "\nLast applied: nobody can tell: " in told(machine, "readme")


@pytest.mark.parametrize(
    ("address", "nearest"),
    [
        ("info@a.com", ("mailbox/info@a.com",)),
        ("mailbox/inof@a.com", ("mailbox/info@a.com",)),
        ("a.com", ("domain/a.com",)),
        ("dkim/a.com", ("dkim/a.com/aimx",)),
        ("layuot", ("layout",)),
        ("", ()),
        ("/", ()),
        ("mailbox/", ()),
        ("no such thing at all", ()),
    ],
)
def test_an_address_that_is_unknown_is_answered_with_the_nearest(machine, address, nearest):
    found = explain(machine, address)

    assert isinstance(found, Unknown)
    assert found.nearest[: len(nearest)] == nearest


def test_what_is_nearest_is_of_the_same_kind(machine):
    found = explain(machine, "mailbox/a.com")

    assert isinstance(found, Unknown)
    assert found.nearest == ("mailbox/info@a.com",)


@pytest.mark.parametrize("columns", [40, 80])
def test_an_explanation_fits_its_columns(machine, columns):
    text = told(machine, "mailbox/late@a.com", HEAD + INFO + LATE, columns)

    assert [line for line in text.splitlines() if len(line) > columns and "    " not in line] == []


def test_no_key_and_no_content_is_in_an_explanation(machine):
    machine.apply(HEAD + INFO)

    everything = "".join(told(machine, address) for address in ADDRESSES)

    assert "PRIVATE KEY" not in everything
    assert "BEGIN" not in everything
