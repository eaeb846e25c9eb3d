import re

import pytest

from reconcilers.report.standing import status_text


def row(name, apply="+", drift="", why="the manifest declares it"):
    address = f"mailbox/{name}@example.com"
    return {"drift": drift, "apply": apply, "address": address, "why": why}


def condition(kind, status="True", reason="", message=""):
    since = "2026-01-02T03:04:05Z"
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**told, "since": since}


def document(*rows, unchanged=0, conditions=(), **parts):
    return {
        "daemon": True,
        "generation": 42,
        "engine_generation": 42,
        "conditions": list(conditions),
        "resources": list(rows),
        "unchanged": unchanged,
        "plan_id": "sha256:1",
        **parts,
    }


def test_one_resource_is_told_with_its_two_columns_and_what_they_mean():
    told = status_text(
        document(
            row("info", "~", "#", "its directories are not as the manifest asks"),
            unchanged=7,
            conditions=[
                condition("Ready"),
                condition("Converged", "False", "Blocked", "mailbox/x: it is\nanother line"),
            ],
        )
    )

    assert told.splitlines() == [
        "  #~ mailbox/info@example.com  its directories are not as the manifest asks",
        "",
        "  # drifted since the last apply, ~ update or repair",
        "",
        "  Ready           True    since 2026-01-02T03:04:05Z",
        "  Converged       False   since 2026-01-02T03:04:05Z  Blocked",
        "      mailbox/x: it is",
        "      another line",
        "",
        "Generation 42, daemon running.",
        "1 of 8 resources is not as the manifest says; `aimx plan` tells why.",
    ]


def test_a_machine_as_it_should_be_has_no_table():
    assert status_text(document(unchanged=8, daemon=False)) == (
        "Generation 42, daemon not running.\n8 resources, all as the manifest says.\n"
    )


def test_an_engine_that_is_behind_is_told():
    told = status_text(document(unchanged=1, engine_generation=41))

    assert "The engine is at generation 41.\n1 resource, all as" in told


def test_where_the_manifest_is_invalid_nothing_is_said_of_resources():
    invalid = document(conditions=[condition("ManifestValid", "False", "Kept", "m:1: error: x")])
    del invalid["plan_id"]

    assert status_text(invalid).endswith(
        "What an apply would do cannot be told while the manifest is invalid.\n"
    )


def test_who_is_no_administrator_sees_mailboxes_alone():
    told = status_text(document(mailboxes=["info@example.com"], unchanged=1))

    assert told == "Your mailboxes:\n  info@example.com\n\nGeneration 42, daemon running.\n"
    assert "  none\n" in status_text(document(mailboxes=[]))


def test_a_place_and_its_caret_stay_together():
    shown = "m.toml:3:1: error: what\n  |\n3 | " + "x" * 90 + "\n  | ^"
    told = status_text(document(conditions=[condition("ManifestValid", "False", "", shown)]))

    assert f"      3 | {'x' * 90}\n        | ^\n" in told


@pytest.mark.parametrize("columns", [40, 80, 132])
@pytest.mark.parametrize("count", [1, 20, 500])
def test_every_line_fits_its_columns(count, columns):
    rows = [row(f"mailbox-{n}", "+", "#", "a reason that is long " * 9) for n in range(count)]
    conditions = [condition("PendingApproval", "True", "RunApply", "create mailbox/x\n" * count)]

    told = status_text(document(*rows, conditions=conditions), columns=columns)

    long = [line for line in told.splitlines() if len(line) > columns]
    assert [line for line in long if "since" not in line and "mailbox/" not in line] == []
    assert columns < 80 or long == []


@pytest.mark.parametrize(
    ("count", "every", "shown"),
    [(1, False, 1), (40, False, 40), (500, False, 40), (500, True, 500)],
)
def test_a_screen_is_not_pushed_away_unless_all_is_asked_for(count, every, shown):
    told = status_text(document(*(row(f"m{n}") for n in range(count))), every=every)

    assert told.count("mailbox/m") == shown
    assert ("and 460 more, which `aimx status --all` lists" in told) == (count > shown)
    assert f"{count} of {count} resource" in told


def test_a_long_address_is_kept_whole_and_its_reason_gives_way():
    told = status_text(document(row("a" * 64, why="a reason")))

    assert told.splitlines()[0] == f"   + mailbox/{'a' * 64}@example.com"


AT = "2026-01-02T03:04:05Z"
LAST = {"reason": "", "at": AT, "failures": 0, "next_retry": None}


@pytest.mark.parametrize(
    ("apply", "last", "told"),
    [
        ("+", {"outcome": "failed", "next_retry": AT}, f"failed, again at {AT}: why"),
        ("+", {"outcome": "skipped"}, "skipped: why"),
        ("+", {"outcome": "done"}, "why"),
        ("", {"outcome": "done"}, f"done {AT}: why"),
    ],
)
def test_what_became_of_a_resource_last_is_told(apply, last, told):
    one = row("info", apply, why="why")

    text = status_text(document(one, results={one["address"]: LAST | last}), every=True)

    assert text.splitlines()[0] == f"   {apply or ' '} {one['address']}  {told}"


def test_a_pin_is_told_with_its_end_and_its_reason():
    pin = {"generation": 3, "until": AT, "reason": "a bad day", "manifest_changed": True}

    assert status_text(document(unchanged=1, pin=pin)).splitlines() == [
        "Generation 42, daemon running.",
        f"Pinned to the manifest of generation 3 until {AT}: a bad day",
        "The manifest was edited since; `aimx resume` puts it in force.",
        "1 resource, all as the manifest says.",
    ]


def test_nothing_that_a_terminal_would_obey_is_in_a_status():
    hostile = row("x\x1b[2J", why="\u202e\r")
    conditions = [condition("Drifted", "True", "\x07", "\x9b\n\x1b]0;")]

    told = status_text(document(hostile, conditions=conditions))

    assert all(character.isprintable() or character == "\n" for character in told)


def test_what_is_blocked_is_never_among_those_that_are_left_out():
    told = status_text(document(*(row(f"m{n}") for n in range(500)), row("late", "!")))

    assert told.splitlines()[0] == "   ! mailbox/late@example.com  the manifest declares it"


def test_what_drifted_is_told_once():
    drifted = condition("Drifted", "True", "", "mailbox/info@example.com")

    told = status_text(document(row("info", "~", "#"), conditions=[drifted]))

    assert told.count("mailbox/info@example.com") == 1


def test_colour_adds_nothing_but_colour():
    rows = document(row("info"), row("late", "!", "#"), row("calm", ""))

    plain, coloured = status_text(rows), status_text(rows, colour=True)

    assert "\x1b" not in plain
    assert "\x1b[1;31m  #! mailbox/late@example.com" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_a_path_that_is_too_long_for_the_line_loses_its_beginning():
    why = "/srv/mail-of-agents/etc/aimx/dkim/example.com/private.key is of no use: it is cut off"

    wide = status_text(document(row("info", "!", why=why)), columns=200)
    narrow = status_text(document(row("info", "!", why=why)), columns=100)

    assert f"  {why}\n" in wide
    told = ".../example.com/private.key is of no use: it is cut off"
    assert f"  ! mailbox/info@example.com  {told}\n" in narrow
