"""Whoever looks at what a struck apply left sees what is wrong with it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.crashing.cuts import Cut, replay
from dev.crashing.disk import Disk
from dev.crashing.found import differences, engine_problems, journal_problems, keys, mail, tree
from dev.crashing.points import Point, missed
from dev.crashing.scenarios import ALL, APPLY, deliver
from dev.crashing.trial import Trial, copied

MESSAGE = "data/a.example/inbox/info/2026-01-02-030405-hello.md"


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("applied")
    roots = {name: base / name for name in ("config", "data", "runtime")}
    for root in roots.values():
        root.mkdir()
    (base / "config/manifest.toml").write_text(ALL)
    places = {f"AIMX_{name.upper()}_DIR": str(root) for name, root in roots.items()}
    command = [sys.executable, "-m", "aimx", *APPLY]
    subprocess.run(command, env={**os.environ, **places}, check=True, capture_output=True)
    roots["runtime"].rename(base / "run")
    deliver(base)
    return base


@pytest.fixture
def base(applied: Path) -> Iterator[Path]:
    with copied(applied) as base:
        yield base


@pytest.fixture
def trial(applied: Path) -> Trial:
    """What is wanted is what is there."""
    there = tree(applied, keys(applied))
    return Trial("create", applied, there, there, ())


def test_nothing_is_wrong_with_what_nobody_disturbed(base: Path, trial: Trial) -> None:
    assert list(trial.at_that_instant(base)) == []
    assert list(trial.not_done(base)) == []
    assert list(trial.lost(base)) == []
    assert list(journal_problems(base)) == []


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [gone, emptied])
def test_a_domain_that_the_engine_knows_without_its_key_is_seen(base: Path, spoil) -> None:
    spoil(base / "config/dkim/b.example/private.key")

    assert "b.example" in " ".join(engine_problems(base))


def test_an_engine_config_that_cannot_be_read_is_seen(base: Path) -> None:
    config = base / "config/config.toml"
    config.write_bytes(config.read_bytes()[:-40])

    assert " ".join(engine_problems(base)).startswith("the engine could not start")


def test_a_mailbox_that_the_engine_knows_without_its_directory_is_seen(base: Path) -> None:
    shutil.rmtree(base / "data/b.example/inbox/catchall")

    assert list(engine_problems(base)) == [
        "the engine config names *@b.example, which has no directory"
    ]


def test_a_marker_before_its_time_is_seen(base: Path, trial: Trial) -> None:
    shutil.rmtree(base / "data/a.example/sent/ops")

    assert list(trial.at_that_instant(base)) == [
        "the marker stands, and there is no data/a.example/sent/ops"
    ]


def copied_over(message: Path) -> None:
    again = message.with_name("again")
    shutil.copy2(message, again)
    again.replace(message)


def written_to(message: Path) -> None:
    with message.open("ab") as file:
        file.write(b"\n")


@pytest.mark.parametrize("touch", [copied_over, written_to, gone])
def test_a_message_that_was_touched_is_seen(base: Path, touch) -> None:
    before = mail(base)

    touch(base / MESSAGE)

    assert len(before - mail(base)) == 1


def test_a_message_that_was_moved_is_the_same(base: Path) -> None:
    before = mail(base)

    (base / "data/a.example/inbox/info").rename(base / "data/b.example/inbox/info")

    assert mail(base) == before


@pytest.mark.parametrize("spoil", [gone, emptied])
def test_a_file_that_is_not_there_for_a_moment_or_half_is_seen(
    base: Path, trial: Trial, spoil
) -> None:
    spoil(base / "data/README.md")

    assert list(trial.neither(base)) == ["data/README.md is neither as it was nor as it will be"]


@pytest.mark.parametrize(
    ("path", "told"), [(MESSAGE, "a message"), ("config/dkim/a.example/private.key", "a key")]
)
def test_what_a_power_cut_took_is_seen(base: Path, trial: Trial, path: str, told: str) -> None:
    (base / path).unlink()

    assert list(trial.lost(base)) == [f"{told} is lost"]


def access_changed(base: Path) -> str:
    (base / "data/b.example/sent").chmod(0o700)
    return "data/b.example/sent: drwx------"


def file_written(base: Path) -> str:
    (base / "data/README.md").write_text("other")
    return "data/README.md: -rw-r--r--"


def file_gone(base: Path) -> str:
    (base / "data/.layout-version").unlink()
    return "data/.layout-version: nothing"


def file_left(base: Path) -> str:
    (base / "data/.left.aimx-new").touch(0o600)
    return "data/.left.aimx-new: -rw-------"


def halves_of_two_keys(base: Path) -> str:
    for key in ("private", "public"):
        (base / f"config/dkim/a.example/{key}.key").rename(base / f"{key}.key")
    (base / "public.key").rename(base / "config/dkim/a.example/public.key")
    shutil.copy2(
        base / "config/dkim/b.example/private.key", base / "config/dkim/a.example/private.key"
    )
    (base / "private.key").unlink()
    return "config/dkim/a.example/p"


@pytest.mark.parametrize(
    "change", [access_changed, file_written, file_gone, file_left, halves_of_two_keys]
)
def test_another_tree_is_told_from_the_wanted_one(base: Path, trial: Trial, change) -> None:
    begins = change(base)

    found = list(differences(tree(base, keys(trial.before)), trial.wanted))

    assert found
    assert all(each.startswith(begins) for each in found)
    assert next(trial.not_done(base)).startswith("it said that all is done: ")


def test_a_journal_without_its_end_is_seen(base: Path) -> None:
    journal = base / "data/.aimx/journal/1.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))

    assert list(journal_problems(base)) == ["1.jsonl: has no end"]


def test_a_state_after_a_power_cut_is_laid_down_and_looked_at(base: Path, trial: Trial) -> None:
    (base / "config/dkim/a.example/private.key").unlink()
    left = Disk.of(base).tree()

    found = set(trial.after(Cut("something is lost", left, done=True)))

    assert "a key is lost" in found
    assert "the engine config names a.example, which has no key" in found
    assert any(each.startswith("it said that all is done: ") for each in found)


def test_another_call_than_the_one_meant_is_seen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '7 write(3</elsewhere>, "x", 1) = 1\n' + f'7 write(4<{tmp_path}/file>, "x", 1) = 1\n'
    )

    assert missed(log, tmp_path, Point("write", 2, "")) == ""
    assert missed(log, tmp_path, Point("write", 1, "")).startswith("another call was struck")
    assert missed(log, tmp_path, Point("write", 3, "")) == "there were only 2 calls of write"


def test_a_log_that_tells_of_another_machine_is_seen(base: Path) -> None:
    disk, log = Disk.of(base), base.with_suffix(".strace")
    log.write_text("")
    (base / "data/new").mkdir()

    with pytest.raises(AssertionError, match="another machine"):
        replay(disk, log, base)
