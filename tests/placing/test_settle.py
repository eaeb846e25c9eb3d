import errno
import os

import pytest

from aimx.channel.placing import Outcome
from aimx.placing.disk import Disk
from aimx.placing.drafts import sweep

BASE = "2026-01-02-030405-hello"
ONE, TWO = b"1" * 32, b"2" * 32


def outcome(ground, **changes):
    (reply,) = ground.place(ground.job(**changes))
    return reply.outcome


def test_a_message_whose_placer_died_before_it_confirmed_it_is_not_kept_again(ground):
    passed = ground.passed(b"x")
    ground.place(
        ground.job(fingerprint=ONE), ground.job(passed, attachments=("x",), fingerprint=TWO)
    )

    ground.restart()

    assert ground.rows.unconfirmed() == []
    assert outcome(ground, fingerprint=ONE) is Outcome.DUPLICATE
    assert outcome(ground, fingerprint=TWO) is Outcome.DUPLICATE


class Telling(Disk):
    """Says which directories it flushed; fails for one of that name."""

    def __init__(self, failing: str = "") -> None:
        super().__init__()
        self._failing = failing
        self.flushed: set[str] = set()

    def flush(self, descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}").rpartition("/")[2]
        if name == self._failing:
            raise OSError(errno.EIO, "broken")
        super().flush(descriptor)
        self.flushed.add(name)


def test_a_bundle_whose_placer_died_is_flushed_at_both_ends_before_it_counts(ground):
    def bundle():
        return ground.job(ground.passed(b"x"), attachments=("x",), fingerprint=ONE)

    ground.place(bundle())

    ground.restart(telling := Telling())

    assert telling.flushed == {"placing", "info"}
    assert ground.place(bundle())[0].outcome is Outcome.DUPLICATE


@pytest.mark.parametrize("failing", ["placing", "info"])
def test_what_cannot_be_flushed_is_not_known_when_it_comes_again(ground, failing):
    passed = [ground.passed(b"x"), ground.passed(b"x")]
    ground.place(ground.job(passed[0], attachments=("x",), fingerprint=ONE))

    ground.restart(Telling(failing))

    again = ground.job(passed[1], attachments=("x",), fingerprint=ONE)
    assert ground.rows.unconfirmed() == []
    assert ground.rows.stem(ONE, ground.clock) is None
    assert ground.place(again)[0].outcome is not Outcome.DUPLICATE


@pytest.mark.parametrize("found", ["nothing", "another-file", "another-directory", "no-mailbox"])
def test_a_message_whose_placer_died_before_it_was_seen_is_kept_when_it_comes_again(ground, found):
    ground.place(ground.job(fingerprint=ONE))
    file = ground.inbox / f"{BASE}.md"
    file.rename(ground.root / "taken-away")
    match found:
        case "another-file":
            file.write_text("the owner's")
        case "another-directory":
            (ground.inbox / BASE).mkdir()
        case "no-mailbox":
            ground.inbox.rename(ground.root / "retired")

    ground.restart()

    assert ground.rows.unconfirmed() == []
    ground.inbox.mkdir(exist_ok=True)
    assert outcome(ground, fingerprint=ONE) is Outcome.PLACED


def test_a_message_that_cannot_be_looked_for_is_kept_when_it_comes_again_and_told(ground, capsys):
    ground.place(ground.job(fingerprint=ONE))
    ground.inbox.parent.chmod(0o777)

    ground.restart()

    ground.inbox.parent.chmod(0o755)
    assert "placed mail not looked for" in capsys.readouterr().out
    assert ground.rows.unconfirmed() == []
    assert outcome(ground, fingerprint=ONE) is Outcome.PLACED


def test_a_link_in_the_messages_place_is_not_taken_for_it(ground):
    ground.place(ground.job(fingerprint=ONE))
    file = ground.inbox / f"{BASE}.md"
    file.rename(ground.inbox / "elsewhere")
    file.symlink_to("elsewhere")

    ground.restart()

    assert outcome(ground, fingerprint=ONE) is Outcome.PLACED


def test_what_a_killed_placer_left_is_swept(ground):
    (ground.placing / "file-1").write_text("half")
    (ground.placing / "bundle-1").mkdir()
    (ground.placing / "bundle-1/a.txt").write_text("half")
    (ground.placing / "link").symlink_to("/etc/passwd")
    (ground.placing / "placed.db.set-aside-2026").write_text("evidence")
    opened = os.open(ground.placing, os.O_RDONLY)

    assert sweep(opened, ("lock", "placed.db")) == 3

    assert ground.left_over == []
    assert (ground.placing / "placed.db.set-aside-2026").exists()
    os.close(opened)


def test_what_no_placer_made_is_left_and_told(ground, capsys):
    (ground.placing / "somebodys/own").mkdir(parents=True)
    opened = os.open(ground.placing, os.O_RDONLY)

    assert sweep(opened, ("lock", "placed.db")) == 0

    assert ground.left_over == ["somebodys"]
    assert "left under the placing directory" in capsys.readouterr().out
    os.close(opened)
