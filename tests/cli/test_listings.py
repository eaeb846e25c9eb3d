"""What `aimx domains list`, `mailboxes list` and `show`, and `hooks list` print."""

import json
import re
from pathlib import Path

import fastjsonschema
import pytest

from aimx.doors.exits import Exit

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
INFO, CATCHALL = "info@example.com", "*@b.example"


@pytest.fixture
def full(instance):
    """Two domains, mail that was read and mail that was not, and what is no mailbox's."""
    owner = f'owner = "{instance.owner}"\n'
    hook = 'event = "{}"\ncmd = ["/bin/true", "two words"]\nfire_on_untrusted = {}\n'
    instance.manifest.write_text(
        'domains = ["example.com", "b.example"]\n'
        '[domain."b.example"]\ntrust = "verified"\ndkim_selector = "s1"\n'
        f'[mailboxes."postmaster@example.com"]\n{owner}aliases = ["abuse@example.com"]\n'
        f'[mailboxes."{INFO}"]\n{owner}trust = "verified"\ntrusted_senders = ["*@c.example"]\n'
        f'[[mailboxes."{INFO}".hooks]]\n{hook.format("on_receive", "true")}'
        f'[[mailboxes."{INFO}".hooks]]\nname = "after"\n{hook.format("after_send", "false")}'
        f'[mailboxes."{CATCHALL}"]\n{owner}'
    )
    assert instance.run("apply", "--yes").exit == Exit.DONE
    inbox = instance.data / "example.com" / "inbox" / "info"
    for number, read in enumerate(("true", "false")):
        (inbox / f"{number}.md").write_text(f"+++\nread = {read}\n+++\n")
        (inbox / f"{number}.md").chmod(0o644)
    (instance.data / "example.com" / "sent" / "info" / "a.md").write_text("")
    (instance.data / "b.example" / "inbox" / "old").mkdir(mode=0o700)
    return instance


def lines(ended):
    assert (ended.exit, ended.err) == (Exit.DONE, "")
    return ended.out.splitlines()


def told(instance, form, *command):
    document = json.loads(instance.run(*command, "--json").out)
    schema = json.loads((SCHEMAS / f"{form}.json").read_text())
    fastjsonschema.compile(schema)(document)
    assert document["format"] == f"aimx.{form}"
    return document[form]


def test_domains_are_listed_in_their_order(full):
    assert lines(full.run("domains", "list")) == [
        "DOMAIN       DEFAULT  DKIM    MAILBOXES  UNREAD  OVERRIDES",
        "example.com  yes      loaded          2       1",
        "b.example             loaded          1       0  trust,dkim_selector",
    ]


def test_a_domain_that_cannot_sign_is_told(full):
    (full.base / "config" / "dkim" / "b.example" / "private.key").write_text("none")

    assert "MISSING" in lines(full.run("domain", "list"))[2]


def test_domains_are_told_as_data(full):
    assert told(full, "domains", "domains", "list") == [
        {
            "domain": "example.com",
            "default": True,
            "dkim_loaded": True,
            "dkim_selector": "aimx",
            "mailbox_count": 2,
            "unread": 1,
            "overrides": "",
            "storage_tree": str(full.data / "example.com"),
            "dkim_dir": str(full.base / "config" / "dkim" / "example.com"),
        },
        {
            "domain": "b.example",
            "default": False,
            "dkim_loaded": True,
            "dkim_selector": "s1",
            "mailbox_count": 1,
            "unread": 0,
            "overrides": "trust,dkim_selector",
            "storage_tree": str(full.data / "b.example"),
            "dkim_dir": str(full.base / "config" / "dkim" / "b.example"),
        },
    ]


def test_mailboxes_are_listed_with_what_is_none(full):
    width = len(full.owner)

    assert lines(full.run("mailboxes", "list")) == [
        f"MAILBOX                 {'OWNER':<{width}}  INBOX  UNREAD  SENT",
        f"*@b.example             {full.owner}      0       0     0",
        f"info@example.com        {full.owner}      2       1     1",
        f"old@b.example           {'':<{width}}      0       0     0  (unregistered)",
        f"postmaster@example.com  {full.owner}      0       0     0",
    ]


def test_mailboxes_are_told_as_data(full):
    rows = told(full, "mailboxes", "mailbox", "list")

    assert [(row["name"], row["registered"]) for row in rows] == [
        (CATCHALL, True),
        (INFO, True),
        ("old@b.example", False),
        ("postmaster@example.com", True),
    ]
    assert rows[1] == {
        "name": INFO,
        "address": INFO,
        "owner": full.owner,
        "inbox_path": str(full.data / "example.com" / "inbox" / "info"),
        "sent_path": str(full.data / "example.com" / "sent" / "info"),
        "total": 2,
        "unread": 1,
        "sent_count": 1,
        "registered": True,
    }
    assert rows[2]["address"] is None


@pytest.mark.parametrize("name", ["info", INFO])
def test_a_mailbox_is_shown_with_all_that_holds_for_it(full, name):
    cmd = '["/bin/true", "two words"]'

    assert lines(full.run("mailboxes", "show", name)) == [
        f"Mailbox:         {INFO}",
        f"Owner:           {full.owner}",
        "Aliases:         none",
        "Trust:           verified",
        "Trusted senders: *@c.example",
        "Received:        2, 1 unread",
        f"Inbox:           {full.data}/example.com/inbox/info",
        "Sent copies:     1",
        f"Sent:            {full.data}/example.com/sent/info",
        f"Hook:            d210336dbd22 on_receive [fire_on_untrusted=true]: {cmd}",
        f"Hook:            after after_send: {cmd}",
    ]


def test_a_mailbox_is_told_as_data(full):
    told_of = told(full, "mailbox", "mailboxes", "show", "postmaster")

    assert told_of["aliases"] == ["abuse@example.com"]
    assert (told_of["trust"], told_of["hooks"]) == ("none", [])


def test_hooks_are_listed_by_mailbox_and_event(full):
    assert [line.split()[1:3] for line in lines(full.run("hooks", "list"))] == [
        ["MAILBOX", "EVENT"],
        [INFO, "after_send"],
        [INFO, "on_receive"],
    ]
    assert lines(full.run("hooks", "list", "--mailbox", "postmaster")) == ["No hooks configured."]


def test_hooks_are_told_as_data(full):
    rows = told(full, "hooks", "hooks", "list", "--mailbox", "info")

    assert rows[0] == {
        "name": "after",
        "mailbox": INFO,
        "event": "after_send",
        "cmd": ["/bin/true", "two words"],
        "fire_on_untrusted": False,
        "timeout_secs": 60,
    }
    assert len(rows) == 2


def test_a_long_command_is_cut_and_a_name_never_is(full):
    name = "n" * 60
    words = ("--event", "on_receive", "--cmd", '["/bin/true"]', "--name", name, "--yes")
    full.run("hooks", "create", "--mailbox", "postmaster", *words)

    row = lines(full.run("hooks", "list"))[-1]

    assert row.startswith(f"{name}  postmaster@example.com  on_receive")


def test_without_mailboxes_that_is_said(instance):
    instance.declare()

    assert lines(instance.run("mailboxes", "list")) == ["No mailboxes configured."]


def test_of_a_broken_manifest_nothing_is_listed(instance):
    instance.manifest.write_text("nonsense = 1\n")

    assert instance.run("mailboxes", "list").exit == Exit.INVALID


def test_what_is_too_much_to_be_counted_is_told_as_at_least(full):
    inbox = full.data / "example.com" / "inbox" / "info"
    for number in range(1001):
        (inbox / f"more-{number}.md").write_text("+++\nread = false\n+++\n")
        (inbox / f"more-{number}.md").chmod(0o644)

    listed = lines(full.run("mailboxes", "list"))
    of_domains = lines(full.run("domains", "list"))

    # As many as there was time for, and 1,000 at most.
    row = next(line for line in listed if line.startswith(INFO))
    assert re.fullmatch(r".* 1,003 +[0-9,]+\+ +1", row)
    assert re.fullmatch(r"example\.com .* [0-9,]+\+", of_domains[1])
    assert told(full, "mailboxes", "mailbox", "list")[1]["unread"] is None
    shown = "\n".join(lines(full.run("mailboxes", "show", INFO)))
    assert re.search(r"^Received: +1,003, [0-9,]+\+ unread$", shown, re.MULTILINE)
