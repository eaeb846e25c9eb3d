"""A plan in a file: applied exactly and once, or refused with the reason."""

import json
import os
import stat
import subprocess

import pytest

from aimx.cli import saved
from aimx.doors.exits import Exit
from aimx.doors.socket import frames


@pytest.fixture
def applied(instance):
    assert instance.run("apply", "--yes").exit == Exit.DONE
    return instance


@pytest.fixture
def file(tmp_path):
    return tmp_path / "next.plan"


def test_a_saved_plan_is_applied_without_a_question(instance, file):
    planned = instance.run("plan", "--out", str(file))
    done = instance.run("apply", str(file))

    assert planned.exit == Exit.DONE
    assert f"aimx apply {file}" in planned.out
    assert done.exit == Exit.DONE
    assert "Apply complete" in done.out
    assert instance.run("plan", "--detailed-exitcode").exit == Exit.DONE


def test_a_saved_plan_is_for_its_owner_alone(instance, file):
    before = os.umask(0)
    try:
        instance.run("plan", "--out", str(file))
    finally:
        os.umask(before)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config", "next.plan"]


def test_a_plan_is_applied_once(instance, file):
    instance.run("plan", "--out", str(file))
    instance.run("apply", str(file))
    before = (instance.data / "README.md").stat()

    again = instance.run("apply", str(file))

    assert again.exit == Exit.STALE
    assert f"the plan in {file} was applied before" in " ".join(again.err.split())
    assert (instance.data / "README.md").stat() == before


def test_the_same_drift_a_second_time_needs_another_plan(applied, file):
    readme = applied.data / "README.md"
    readme.chmod(0o600)
    applied.run("plan", "--out", str(file))
    assert applied.run("apply", str(file)).exit == Exit.DONE
    readme.chmod(0o600)

    spent = applied.run("apply", str(file))
    applied.run("plan", "--out", str(file))
    again = applied.run("apply", str(file))

    assert (spent.exit, again.exit) == (Exit.STALE, Exit.DONE)


def test_a_sibling_of_an_applied_plan_is_refused(applied, file):
    sibling = file.with_name("sibling.plan")
    applied.declare("postmaster@example.com", "info@example.com")
    applied.run("plan", "--out", str(file))
    applied.run("plan", "--out", str(sibling))
    assert sibling.read_bytes() == file.read_bytes()
    applied.run("apply", str(file))

    assert applied.run("apply", str(sibling)).exit == Exit.STALE


def test_an_edit_after_the_plan_is_not_applied(applied, file):
    applied.declare("postmaster@example.com", "info@example.com")
    applied.run("plan", "--out", str(file))
    applied.declare("postmaster@example.com", "other@example.com")
    before = applied.tree()

    ended = applied.run("apply", str(file))

    assert ended.exit == Exit.STALE
    assert "mailbox/info@example.com: there is nothing to create any more" in ended.err
    assert "mailbox/other@example.com: to create now" in ended.err
    assert {k: v for k, v in applied.tree().items() if ".holder" not in k} == before


def test_a_first_plan_does_not_fit_once_the_records_are_gone(instance, file):
    instance.run("plan", "--out", str(file))
    instance.run("apply", str(file))
    for path in sorted((instance.data / ".aimx").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert instance.run("apply", str(file)).exit == Exit.STALE


def test_the_consent_is_in_the_plan(applied, file):
    boxes = [f"box{number}@example.com" for number in range(9)]
    applied.declare("postmaster@example.com", *boxes)
    applied.run("apply", "--yes")
    applied.declare("postmaster@example.com")

    refused = applied.run("plan", "--out", str(file))
    assert (refused.exit, file.exists()) == (Exit.REFUSED, False)
    applied.run("plan", "--allow-removals", "9", "--out", str(file))
    twice = applied.run("apply", str(file), "--allow-removals", "9")
    done = applied.run("apply", str(file))

    assert (twice.exit, done.exit) == (Exit.USAGE, Exit.DONE)


def test_a_purge_is_in_the_saved_plan(instance, file):
    instance.declare("postmaster@example.com", "info@example.com")
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com")
    shown = instance.run("plan", "--purge")
    instance.run("plan", "--purge", "--out", str(file))
    twice = instance.run("apply", str(file), "--purge")

    assert instance.run("apply", str(file)).exit == 0

    assert "\n    aimx apply --purge\n" in shown.out
    assert twice.exit == 64
    assert list((instance.data / ".aimx" / "tombstones").iterdir()) == []


def garbage(file):
    file.write_bytes(os.urandom(999))


def truncated(file):
    file.write_bytes(file.read_bytes()[:-99])


def missing(file):
    file.unlink()


def directory(file):
    file.unlink()
    file.mkdir()


def fifo(file):
    file.unlink()
    os.mkfifo(file)


def huge(file):
    os.truncate(file, 1 << 40)


def empty(file):
    os.truncate(file, 0)


@pytest.mark.parametrize(
    "spoil", [garbage, truncated, missing, directory, fifo, huge, empty], ids=lambda f: f.__name__
)
def test_what_is_no_plan_is_refused_in_a_sentence(instance, file, spoil):
    instance.run("plan", "--out", str(file))
    spoil(file)
    before = instance.data.exists()

    ended = instance.run("apply", str(file))

    assert ended.exit == Exit.ERROR
    assert ended.err.count("\n") == 1
    assert instance.data.exists() == before


def test_a_plan_is_as_large_as_a_daemon_takes_and_no_larger(file):
    largest = len(saved.BEGINNING)
    saved.write(str(file), saved.BEGINNING, largest)
    assert saved.read(str(file), largest) == saved.BEGINNING

    with pytest.raises(saved.FileError, match="it has 29 octets, and a daemon takes 28 at most"):
        saved.write(str(file), saved.BEGINNING + b",", largest)
    with pytest.raises(saved.FileError, match=r"over 27 octets.*`aimx apply` without a FILE"):
        saved.read(str(file), largest - 1)
    assert file.read_bytes() == saved.BEGINNING
    assert [path.name for path in file.parent.iterdir()] == ["next.plan"]
    assert saved.LARGEST == frames.MAX_BODY


def test_a_dash_is_no_file(instance):
    assert instance.run("apply", "-").exit == Exit.ERROR


def test_a_plan_for_another_instance_is_refused(instance, file, tmp_path):
    instance.run("plan", "--out", str(file))
    other = type(instance)(tmp_path / "other", instance.capture)
    other.declare("postmaster@example.com")

    ended = other.run("apply", str(file))

    assert ended.exit == Exit.ERROR
    assert "--config-dir" in ended.err


@pytest.mark.parametrize("name", ["config/manifest.toml", "config"])
def test_a_plan_never_takes_the_place_of_what_is_the_instances(instance, name):
    before = instance.tree()

    assert instance.run("plan", "--out", str(instance.base / name)).exit == Exit.USAGE
    assert instance.tree() == before


def test_a_plan_takes_the_place_of_any_other_file(instance, file):
    file.write_text("an earlier plan, or something else")

    assert instance.run("plan", "--out", str(file)).exit == Exit.DONE
    assert json.loads(file.read_bytes())["format"] == "aimx.saved-plan"


def test_what_a_killed_plan_left_is_gone_with_the_next(instance, file):
    over = subprocess.Popen(["/bin/true"])
    over.wait()
    left = file.with_name(f".{file.name}.{over.pid}.aimx-new")
    others = {file.with_name(name) for name in (f".{file.name}.1.aimx-new", ".other.7.aimx-new")}
    for each in (left, *others):
        each.write_text("half a plan")

    assert instance.run("plan", "--out", str(file)).exit == Exit.DONE

    assert set(file.parent.glob(".*.aimx-new")) == others


def test_a_plan_that_cannot_be_kept_is_an_error(instance, tmp_path):
    assert instance.run("plan", "--out", str(tmp_path / "no" / "x")).exit == Exit.ERROR


def test_an_out_that_would_break_a_frame_is_refused(instance, tmp_path):
    assert instance.run("plan", "--out", f"{tmp_path}/x\nPlan: y").exit == Exit.USAGE


@pytest.mark.parametrize("number", ["1", "3"])
def test_as_many_steps_as_were_asked_for_are_taken_at_a_time(instance, number):
    instance.manifest.write_text('domains = ["a.example", "b.example", "c.example"]\n')

    done = instance.run("apply", "--yes", "--json", "--parallelism", number)

    outcomes = [receipt["outcome"] for receipt in json.loads(done.out)["receipts"]]
    assert done.exit == Exit.DONE
    assert set(outcomes) == {"done"}
    assert instance.run("plan", "--detailed-exitcode").exit == Exit.DONE


@pytest.mark.parametrize("damage", ["cut", "outdated"])
def test_what_refuses_a_saved_plan_names_its_file(instance, file, damage):
    instance.run("plan", "--out", str(file))
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    else:
        instance.run("apply", "--yes")  # What it was to make is there.

    refused = instance.run("apply", str(file))

    assert refused.exit == (Exit.ERROR if damage == "cut" else Exit.STALE)
    told = " ".join(refused.err.split())
    assert f"the plan in {file} " in told
    assert damage == "cut" or f"`aimx plan --out {file}` again" in told


def test_a_saved_plan_whose_name_is_no_text_is_applied(instance, tmp_path):
    file = tmp_path / os.fsdecode(b"\xff.plan")
    instance.run("plan", "--out", str(tmp_path / "a.plan"))
    (tmp_path / "a.plan").rename(file)

    assert instance.run("apply", str(file)).exit == Exit.DONE
