"""What the owner of a mailbox does to it while mail comes."""

import os
from contextlib import contextmanager, suppress
from subprocess import DEVNULL, PIPE, Popen

import pytest

OWNER = "bin"
# Takes the names that are to come, in every form, and opens what has arrived.
RACE = """
import datetime, itertools, os, sys
box, elsewhere = sys.argv[1], sys.argv[2]
print("racing", flush=True)
for turn in itertools.count():
    now = datetime.datetime.now(datetime.timezone.utc)
    for ahead, suffix in itertools.product((0, 1), ("", ".md", "-2", "-2.md", "-3.md", "-4")):
        moment = now + datetime.timedelta(seconds=ahead)
        name = f"{box}/{moment:%Y-%m-%d-%H%M%S}-race{suffix}"
        make = (os.mkfifo, os.mkdir, lambda n: os.symlink(elsewhere, n), lambda n: open(n, "x"))
        try:
            make[turn % 4](name)
            # Else it stays in the way. What has arrived is left alone, to be counted.
            if turn % 3:
                (os.rmdir if turn % 4 == 1 else os.unlink)(name)
        except OSError:
            pass
    if turn % 7 == 0:
        os.chmod(box, (0, 0o777, 0o700)[turn % 3])
"""
MESSAGES = 60

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs two users, and root to be them")


@contextmanager
def racing(target):
    """Somebody does so within the block; what he made is gone afterwards."""
    box = target.mailbox("alice")
    racer = Popen(
        target.become(OWNER, RACE, str(box), str(target.mailbox("bob"))),
        stdout=PIPE,
        stderr=DEVNULL,
    )
    with racer:
        try:
            assert racer.stdout.readline() == b"racing\n"
            yield
        finally:
            racer.kill()
    box.chmod(0o700)
    for path in box.glob("*race*"):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # A message with its attachment is there.
                path.rmdir()
        elif not is_mail(path):
            path.unlink()


def test_mail_is_kept_or_comes_later_and_nothing_is_written_elsewhere(target):
    before = sorted(target.mailbox("bob").iterdir())
    accepted = []

    with racing(target):
        for number in range(MESSAGES):
            head = b"Subject: race\r\nX-Number: %d\r\n" % number
            if number % 2:
                head += b"Content-Type: multipart/mixed; boundary=cut\r\n"
            text = b"--cut\r\n\r\nnumber %d\r\n" % number
            attachment = b"--cut\r\nContent-Type: a/b\r\n\r\nx\r\n--cut--"
            code, _ = target.deliver(head + b"\r\n" + text + attachment)
            assert code in (250, 451)
            accepted += [number] if code == 250 else []

    owner = target.mailbox("alice").stat().st_uid
    kept = list(target.mailbox("alice").rglob("*race*.md"))
    assert len(kept) == len(accepted)
    assert {path.stat().st_uid for path in kept} == {owner}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert sorted(target.mailbox("bob").iterdir()) == before


def is_mail(path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size > 0


def test_an_owner_reaches_nothing_but_his_mailbox(target):
    code = """
import os, sys
for path in sys.argv[1:]:
    for reach in (os.listdir, open, lambda p: os.rename(p, p + "-moved"), os.rmdir):
        try:
            reach(path)
            print("reached", path)
        except OSError:
            pass
"""
    state = target.base / "data" / ".aimx"
    out_of_reach = [target.mailbox("bob"), target.base / "config" / "dkim", state / "placing"]
    out_of_reach += [state / "spool", state / "out", state / "status.json", state / "journal"]

    assert target.as_user(OWNER, code, *map(str, out_of_reach)) == ""
