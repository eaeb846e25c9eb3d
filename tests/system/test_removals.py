"""Mailboxes that move, go and come back while a daemon runs, and what a hostile owner left."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from aimx.testing.accounts import accounts

INFO, HELLO, OPS = "info@example.com", "hello@example.com", "ops@example.com"
MOVED = f'[[moved]]\nfrom = "mailbox/{INFO}"\nto = "mailbox/{HELLO}"\n'
LATER = b"Subject: later\r\n\r\nHello.\r\n"
FIRST = b"Subject: first\r\n\r\nHello.\r\n"
PATIENCE = 60.0
AIMX = [sys.executable, "-m", "aimx"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def stones(instance):
    directory = instance.state / "tombstones"
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_a_mailbox_moves_with_its_mail_while_the_daemon_runs(instance, until):
    instance.declare(INFO, OPS)
    instance.serve()
    assert instance.deliver(FIRST, INFO) == 250
    before = instance.letter(INFO, "first").path.stat().st_ino

    instance.declare(HELLO, OPS, rest=MOVED)
    until(lambda: instance.is_at_rest, "the move")

    assert instance.rcpt(INFO) == 550
    assert instance.letter(HELLO, "first").path.stat().st_ino == before
    assert instance.deliver(LATER, HELLO) == 250
    assert instance.letter(HELLO, "later").path.parent == instance.mailbox(HELLO)
    assert not instance.mailbox(INFO).exists()
    assert stones(instance) == []


def test_one_edit_cannot_loosen_the_guard_and_remove(instance, until):
    boxes = [f"box{number}@example.com" for number in range(7)]
    strict = "[policy]\nmax_removals = 2\n"
    loose = '[policy]\nmax_removals = 100\n[controller]\nauto_apply = "all"\n'
    instance.declare(OPS, *boxes, rest=strict)
    instance.serve()

    new = "new@example.com"
    instance.declare(OPS, new, *boxes[3:], rest=loose)
    until(lambda: instance.accepts(new), "what the edit adds")
    until(lambda: instance.has("PendingApproval", "True"), "the removals to wait")
    instance.daemon.send_signal(signal.SIGHUP)
    refused = instance.aimx("apply", "--yes")

    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert "policy.max_removals = 2" in refused.stdout + refused.stderr
    assert all(instance.accepts(box) for box in boxes)
    assert stones(instance) == []


@pytest.mark.parametrize("retention", ["1s", "1h"])
def test_a_daemon_purges_what_was_kept_for_long_enough(instance, until, retention):
    policy = f'[policy]\ntombstone_retention = "{retention}"\n'
    instance.declare(INFO, OPS, rest=policy)
    instance.apply()
    letter = instance.mailbox(INFO) / "2026-01-02-030405-hello.md"
    letter.write_bytes(b"mail")
    instance.declare(OPS, rest=policy)
    instance.apply()
    (stone,) = stones(instance)
    half = instance.state / "tombstones" / "old@example.com.1,deleting"
    half.mkdir()
    (half / "letter.md").write_bytes(b"mail")

    instance.serve()
    until(lambda: "unfinished purge completed" in instance.log, "the killed purge to be finished")

    if retention == "1s":
        until(lambda: "tombstone purged" in instance.log, "the tombstone to be purged")
        assert stones(instance) == []
    else:
        assert stones(instance) == [stone]


def test_a_daemon_finishes_what_was_agreed_to_and_killed(instance, until):
    # Wherever it dies once that is written down, what was agreed to is finished.
    boxes = [f"box{number}@example.com" for number in range(7)]
    instance.declare(OPS, *boxes)
    instance.apply()
    for box in boxes:
        (instance.mailbox(box) / "2026-01-02-030405-hello.md").write_bytes(b"mail")
    instance.declare(OPS)
    apply = subprocess.Popen(
        [*AIMX, "apply", "--yes", "--allow-removals", "7", "--parallelism", "1"],
        env=instance.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    consent = instance.state / "consent.json"
    deadline = time.monotonic() + PATIENCE
    while not consent.exists() and apply.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    apply.send_signal(signal.SIGKILL)
    apply.wait(PATIENCE)

    instance.serve()

    until(lambda: len(stones(instance)) == 7, "the removals to be finished")
    until(lambda: instance.has("Converged", "True"), "convergence")
    assert all(instance.rcpt(box) == 550 for box in boxes)


def answer(instance, typed, *arguments):
    """Run a command on a terminal of its own and type a line; gives its code and what it said."""
    try:
        ours, theirs = pty.openpty()
    except OSError as cause:
        pytest.skip(f"no terminal is to be had: {cause}")
    done = subprocess.Popen(
        [*AIMX, *arguments], env=instance.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # That is how a terminal says that nobody has it any more.
        while part := os.read(ours, 4096):
            if b"to go on: " in (said := said + part) and typed:
                os.write(ours, f"{typed}\n".encode())
                typed = ""
    os.close(ours)
    return done.wait(PATIENCE), said.decode()


@pytest.mark.parametrize("typed", ["yes", "ops@example.com", "info@example.com"])
def test_a_purge_asks_a_person_for_the_address(instance, typed):
    instance.declare(INFO, OPS)
    instance.apply()
    letter = instance.mailbox(INFO) / "2026-01-02-030405-hello.md"
    letter.write_bytes(b"mail")
    instance.declare(OPS)
    instance.apply()

    code, said = answer(instance, typed, "tombstones", "purge", INFO)

    assert f"Type {INFO} to go on" in said
    if typed == INFO:
        assert (code, stones(instance)) == (0, [])
    else:
        assert (code, len(stones(instance))) == (4, 1)
        assert "nothing was done." in said


@pytest.mark.parametrize("serving", [False, True], ids=["alone", "through-the-daemon"])
@pytest.mark.parametrize("typed", ["yes", INFO])
def test_an_apply_that_purges_asks_a_person_for_the_address(instance, until, typed, serving):
    instance.declare(INFO, OPS)
    instance.apply()
    if serving:
        instance.serve()
    (instance.mailbox(INFO) / "2026-01-02-030405-hello.md").write_bytes(b"mail")
    instance.declare(OPS)
    if serving:
        until(lambda: instance.has("PendingApproval", "True"), "the removal to wait")

    code, said = answer(instance, typed, "apply", "--purge")

    assert f"Type {INFO} to go on" in said
    assert (code, instance.mailbox(INFO).exists()) == ((0, False) if typed == INFO else (4, True))
    assert stones(instance) == []


@pytest.fixture
def users():
    """Two users of the machine, for as long as the test takes."""
    with accounts(*(f"aimx-{letter}{os.getpid()}" for letter in "ab")) as made:
        yield [user.pw_name for user in made]


# The owner of a mailbox at work in it; others cannot enter the directory of our interpreter.
HOSTILE = """
set -e
cd "$1"
printf mail > 2026-01-02-030405-hello.md
mkfifo 2026-01-03-030405-pipe.md
ln -s "$2" 2026-01-04-030405-link.md
mkdir 2026-01-05-030405-more
ln -s "$2" 2026-01-05-030405-more/link
mkfifo 2026-01-05-030405-more/pipe
ln -s / root
"""


def as_it_is(directory):
    """Every name below it with inode and owner; links are not followed."""
    found = {}
    for base, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(base, name)
            entry = path.lstat()
            found[str(path.relative_to(directory))] = (entry.st_ino, entry.st_uid, entry.st_mode)
    return found


@needs_root
@pytest.mark.parametrize("served", [True, False], ids=["daemon", "alone"])
def test_links_and_pipes_of_a_hostile_owner_go_along_and_lead_nowhere(
    instance, until, users, served
):
    alice, bob = users
    outside = instance.base / "outside"
    outside.mkdir(mode=0o755)
    (outside / "secret").write_text("kept")
    before = as_it_is(outside)
    others = f'[mailboxes."{OPS}"]\nowner = "{bob}"\n'

    def mine(address):
        return f'[mailboxes."{address}"]\nowner = "{alice}"\n{others}'

    instance.declare(rest=mine(INFO))
    instance.apply()
    subprocess.run(
        ["/bin/sh", "-c", HOSTILE, "sh", instance.mailbox(INFO), outside],
        check=True,
        user=alice,
        group=alice,
        extra_groups=[],
    )
    (instance.mailbox(OPS) / "2026-01-02-030405-hello.md").write_text("bob's")
    bobs = as_it_is(instance.mailbox(OPS))
    had = as_it_is(instance.mailbox(INFO))
    if served:
        instance.serve()

    instance.declare(rest=mine(HELLO) + MOVED)
    instance.apply()
    assert as_it_is(instance.mailbox(HELLO)) == had

    instance.declare(rest=others)
    instance.apply()
    (stone,) = stones(instance)
    assert as_it_is(instance.state / "tombstones" / stone / "inbox") == had

    instance.declare(rest=mine(HELLO))
    instance.apply()
    restored = instance.aimx("tombstones", "restore", HELLO, "--yes")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert as_it_is(instance.mailbox(HELLO)) == had

    instance.declare(rest=others)
    instance.apply()
    purged = instance.aimx("tombstones", "purge", HELLO, "--yes")

    assert purged.returncode == 0, purged.stdout + purged.stderr
    assert stones(instance) == []
    assert (outside / "secret").read_text() == "kept"
    assert as_it_is(outside) == before
    assert as_it_is(instance.mailbox(OPS)) == bobs
