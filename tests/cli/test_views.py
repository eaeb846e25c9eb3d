"""What only tells, through the command line without a daemon."""

import json
import os
import re
import shutil

import pytest

from aimx.doors.exits import Exit

REPORTS = [
    ("explain", "mailbox/postmaster@example.com"),
    ("diff",),
    ("diff", "1", "2"),
    ("history",),
    ("history", "show", "1"),
]


@pytest.fixture
def applied(instance):
    """Two generations."""
    assert instance.run("apply", "--yes").exit == Exit.DONE
    instance.declare("postmaster@example.com", "new@example.com")
    assert instance.run("apply", "--yes").exit == Exit.DONE
    return instance


@pytest.mark.parametrize("report", REPORTS, ids=" ".join)
def test_a_report_is_told_as_text_and_as_data(applied, report):
    text, data = applied.run(*report), applied.run(*report, "--json")

    assert (text.exit, text.err, data.exit, data.err) == (Exit.DONE, "", Exit.DONE, "")
    assert json.loads(data.out)["format"].startswith("aimx.")
    assert text.out.endswith("\n")
    assert not text.out.endswith("\n\n")
    # A path is kept whole: it is there to be copied.
    assert all(len(line) <= 80 or "/" in line for line in text.out.splitlines())


@pytest.mark.parametrize("report", [*REPORTS, ("graph",)], ids=" ".join)
def test_a_report_changes_nothing(applied, report):
    before = applied.tree()

    applied.run(*report)

    assert applied.tree() == before


def test_a_fresh_directory_has_reports_too(instance):
    assert instance.run("history").out.startswith("No generation is on record")
    assert instance.run("diff").out.startswith("Nothing has been applied here yet")
    assert instance.run("explain", "layout").out.startswith("layout\n")
    assert instance.run("graph").out.startswith("flowchart TD\n")
    assert not instance.data.exists()


def test_drift_is_pending_where_that_is_asked_for(applied):
    quiet = applied.run("diff", "--detailed-exitcode")
    (applied.data / "README.md").unlink()
    loud, plain = applied.run("diff", "--detailed-exitcode"), applied.run("diff")

    assert (quiet.exit, loud.exit, plain.exit) == (Exit.DONE, Exit.PENDING, Exit.DONE)
    assert loud.out == plain.out
    assert "  - readme\n      it is gone\n" in plain.out


def test_two_generations_that_differ_are_pending_where_that_is_asked_for(applied):
    assert applied.run("diff", "1", "2", "--detailed-exitcode").exit == Exit.PENDING
    assert applied.run("diff", "2", "2", "--detailed-exitcode").exit == Exit.DONE


def test_drift_needs_no_manifest(applied):
    applied.manifest.write_text("what = is this")
    (applied.data / "README.md").unlink()

    told = applied.run("diff")

    assert (told.exit, "  - readme\n" in told.out) == (Exit.DONE, True)
    assert applied.run("explain", "readme").exit == Exit.INVALID


def test_an_unknown_address_is_an_error_with_the_nearest_name(applied):
    told = applied.run("explain", "mailbox/pstmaster@example.com")

    assert (told.exit, told.out) == (Exit.ERROR, "")
    assert "did you mean mailbox/postmaster@example.com" in told.err


@pytest.mark.parametrize("address", ["", "  ", "a\nPlan: b", "\x1b[2J", "\udcff"])
def test_what_can_be_no_address_is_none(instance, address):
    told = instance.run("explain", address)

    assert (told.exit, told.out) == (Exit.USAGE, "")
    assert "that is no address" in told.err


@pytest.mark.parametrize("report", [("history", "show", "9"), ("diff", "1", "9")], ids=" ".join)
def test_a_generation_that_is_not_on_record_is_an_error(applied, report):
    told = applied.run(*report)

    assert (told.exit, told.out) == (Exit.ERROR, "")
    assert told.err.endswith(
        ": generation 9 is not on record; `aimx history` lists those that are.\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        ("history", "show"),
        ("history", "show", "one"),
        ("history", "show", "1" * 10),
        ("history", "1"),
        ("diff", "1"),
        ("diff", "1", "2", "3"),
        ("diff", "-1", "2"),
        ("explain",),
        ("graph", "--format", "svg"),
    ],
    ids=" ".join,
)
def test_a_line_that_makes_no_sense_is_a_usage_error(instance, line):
    assert instance.run(*line).exit == Exit.USAGE


def test_a_damaged_record_is_named_and_the_others_are_told(applied):
    record = applied.data / ".aimx" / "generations" / "1" / "record.json"
    record.write_text("{}")

    told = applied.run("history")

    assert told.exit == Exit.DONE
    assert "         1  damaged:" in told.out
    assert "         2  20" in told.out
    assert applied.run("history", "show", "1").exit == Exit.ERROR
    assert applied.run("explain", "layout").exit == Exit.DONE


def test_a_record_whose_directory_is_empty_is_damaged(applied):
    record = applied.data / ".aimx" / "generations" / "2"
    shutil.rmtree(record)
    record.mkdir()

    assert "         2  damaged:" in applied.run("history").out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_who_may_not_look_is_told_so(applied):
    records = applied.data / ".aimx" / "generations"
    records.chmod(0)
    try:
        told = applied.run("history")
    finally:
        records.chmod(0o700)

    assert (told.exit, told.out) == (Exit.ERROR, "")
    assert str(records) in told.err


@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_a_graph_is_in_the_language_that_is_asked_for(instance, language):
    told = instance.run("graph", "--format", language)

    assert told.exit == Exit.DONE
    assert told.out.startswith({"mermaid": "flowchart TD\n", "dot": "digraph plan {\n"}[language])


def test_a_status_lists_everything_where_that_is_asked_for(applied):
    some, everything = applied.run("status"), applied.run("status", "--all")

    assert "mailbox/" not in some.out
    assert "\n     mailbox/new@example.com\n" in everything.out
    assert "8 resources, all as the manifest says.\n" in everything.out


def test_a_status_is_pending_where_that_is_asked_for(applied):
    settled = applied.run("status", "--detailed-exitcode").exit
    (applied.data / "README.md").unlink()

    assert (settled, applied.run("status", "--detailed-exitcode").exit) == (Exit.DONE, Exit.PENDING)


def test_a_key_that_is_overdue_is_explained_with_what_to_do(instance):
    instance.declare(rest='[domain."example.com"]\ndkim = { rotate_every = "90d" }\n')
    assert instance.run("apply", "--yes").exit == Exit.DONE
    key = instance.base / "config" / "dkim" / "example.com" / "private.key"
    os.utime(key, (0, 0))

    text = instance.run("explain", "dkim/example.com/aimx")
    data = instance.run("explain", "dkim/example.com/aimx", "--json")

    assert text.out.endswith(
        """\
Action: none, it is as the manifest says
Overdue: `aimx domains rotate-dkim example.com` is due: the key is of
  1970-01-01, and dkim.rotate_every is 90d

To do, run:
    aimx domains rotate-dkim example.com
"""
    )
    assert json.loads(data.out)["commands"] == ["aimx domains rotate-dkim example.com"]


def test_every_time_that_a_machine_reads_is_in_utc_and_ends_in_z(applied):
    applied.declare("new@example.com", "postmaster@example.com", "third@example.com")
    assert applied.run("suspend", "--for", "1h").exit == Exit.DONE
    assert applied.run("rollback", "1", "--yes", "--allow-removals", "1").exit == Exit.DONE
    reports = [*REPORTS, ("status",)]

    told = [applied.run(*report, "--json").out for report in reports]
    kept = [path for path in (applied.data / ".aimx").rglob("*") if path.is_file()]
    told += [path.read_text() for path in kept if path.suffix in (".json", ".jsonl", "")]

    times = [at for text in told for at in re.findall(r"\d{4}-\d\d-\d\d[T ]\d[^\s\"]+", text)]
    utc = re.compile(r"[-\d]{10}T[:\d]{8}(\.\d+)?Z[.,]?")
    assert len(times) > 20
    assert [at for at in times if not utc.fullmatch(at)] == []
