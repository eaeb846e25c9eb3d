"""A plan that takes a mailbox away says how much in it nobody has read."""

import json

KEPT, GOING = "postmaster@example.com", "info@example.com"


def note(instance) -> str:
    plan = json.loads(instance.aimx("plan", "--json").stdout)
    change = next(each for each in plan["changes"] if each["address"] == f"mailbox/{GOING}")
    return change["notes"][0]


def test_with_and_without_a_daemon(instance):
    instance.declare(KEPT, GOING)
    instance.serve()
    assert instance.aimx("suspend", "--for", "1h").returncode == 0
    for number in range(3):
        assert instance.deliver(b"Subject: number %d\r\n\r\nx\r\n" % number, GOING) == 250
    first = instance.letters(GOING)[0].path
    first.write_text(first.read_text().replace("\nread = false\n", "\nread = true\n"))
    instance.declare(KEPT)

    served = note(instance)
    instance.stop()
    alone = note(instance)

    assert served.endswith(", 2 unread.")
    assert alone == served


def test_what_is_counted_is_no_part_of_what_is_agreed_to(instance):
    instance.declare(KEPT, GOING)
    instance.serve()
    instance.aimx("suspend", "--for", "1h")
    instance.declare(KEPT)
    plan = instance.base / "x.plan"
    assert instance.aimx("plan", "--out", str(plan)).returncode == 0
    assert instance.deliver(b"Subject: late\r\n\r\nx\r\n", GOING) == 250

    applied = instance.aimx("apply", str(plan))

    assert applied.returncode == 0, applied.stdout + applied.stderr
