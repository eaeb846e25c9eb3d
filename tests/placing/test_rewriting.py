import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from aimx.channel.placing import Due, Folder, Opening, Outcome, Over, Reply, Seen
from aimx.placing.control import Take
from aimx.placing.disk import Disk
from aimx.placing.lending import Lending

BASE = "2026-01-02-030405-hello"
ORIGIN, NEW, NEWER = b"1" * 32, b"2" * 32, b"3" * 32
DUE = Due(("tell",), b"facts")
REST = b"read = true\n+++\n\nHello\n"


@dataclass
class Copy:
    """A message that was placed, and the ground that it lies on."""

    ground: object
    path: Path

    def opening(self, **changes: object) -> tuple[Reply, tuple[int, ...]]:
        fields = {
            "number": 1,
            "folder": Folder.INBOX,
            "domain": "a.example",
            "name": "info",
            "uid": os.getuid(),
            "fingerprint": ORIGIN,
        }
        lending = Lending(self.ground.rows, self.ground.mailboxes)
        reply, lent = lending.answer(
            Opening(**fields | changes), self.ground.reopens, self.ground.clock
        )
        for descriptor in lent:
            self.ground.leaving.callback(os.close, descriptor)
        return reply, lent

    @property
    def seen(self) -> Seen:
        return Seen.of(self.path.stat())

    def replaced(self, fingerprint: bytes = NEW, **changes: object) -> Reply:
        over = changes.pop("over", None) or Over(ORIGIN, self.seen)
        fields = {"base": "", "rest": REST, "fingerprint": fingerprint, "over": over, **changes}
        (reply,) = self.ground.place(self.ground.job(**fields))
        return reply


@pytest.fixture(params=["message", "bundle", "without-unnamed-files"])
def copy(bare, request) -> Copy:
    bare.begin(unnamed=request.param != "without-unnamed-files")
    if request.param == "bundle":
        job = bare.job(bare.passed(b"x"), attachments=("a.txt",), fingerprint=ORIGIN)
        path = bare.inbox / BASE / f"{BASE}.md"
    else:
        job, path = bare.job(fingerprint=ORIGIN), bare.inbox / f"{BASE}.md"
    bare.place(job)
    return Copy(bare, path)


def test_what_a_worker_placed_is_opened_for_it_to_read(copy):
    reply, (descriptor,) = copy.opening()

    assert reply == Reply(1, Outcome.OPENED, BASE)
    assert os.pread(descriptor, 1000, 0) == copy.path.read_bytes()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"fingerprint": b"9" * 32}, id="a-fingerprint-that-nothing-has"),
        pytest.param({"name": "other"}, id="of-another-mailbox"),
        pytest.param({"uid": os.getuid() + 1}, id="of-another-owner"),
        pytest.param({"folder": Folder.SENT}, id="of-a-folder-that-is-not-the-workers"),
    ],
)
def test_nothing_else_is_opened(copy, changes):
    copy.ground.add("a.example/inbox/other")

    reply, lent = copy.opening(**changes)

    assert reply.outcome in (Outcome.AWAY, Outcome.FAILED)
    assert lent == ()


def test_what_its_owner_put_in_the_place_of_a_message_is_not_opened(copy):
    copy.path.unlink()
    os.mkfifo(copy.path)

    reply, lent = copy.opening()

    assert (reply.outcome, lent) == (Outcome.AWAY, ())


def test_what_cannot_be_opened_now_is_not_told_as_gone(copy, no_descriptors):
    with no_descriptors():
        reply, lent = copy.opening()

    assert (reply.outcome, lent) == (Outcome.FAILED, ())
    assert reply.text == "opening the message: Too many open files"


def test_a_message_is_replaced_under_its_own_name_and_owner(copy):
    before = copy.path.stat()

    reply = copy.replaced()

    after = copy.path.stat()
    assert reply.outcome is Outcome.PLACED
    assert reply.text == BASE
    assert copy.path.read_bytes() == f'+++\nid = "{BASE}"\n'.encode() + REST
    assert after.st_ino != before.st_ino
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_mode == before.st_mode
    assert [path.name for path in copy.ground.inbox.rglob("*.md")] == [copy.path.name]
    assert copy.ground.left_over == []


@pytest.mark.parametrize("how", ["written", "touched", "replaced", "removed", "linked"])
def test_what_its_owner_changed_meanwhile_is_left_to_him(copy, how):
    seen = copy.seen
    match how:
        case "written":
            copy.path.write_bytes(copy.path.read_bytes() + b"more")
        case "touched":
            os.utime(copy.path, ns=(1, 1))
        case "replaced":
            beside = copy.path.with_name("beside")
            beside.write_bytes(copy.path.read_bytes())
            beside.rename(copy.path)
        case "removed":
            copy.path.unlink()
        case "linked":
            copy.path.with_name("second").hardlink_to(copy.path)
    found = copy.path.read_bytes() if copy.path.exists() else None

    reply = copy.replaced(over=Over(ORIGIN, seen))

    assert reply.outcome is Outcome.CHANGED
    assert (copy.path.read_bytes() if copy.path.exists() else None) == found
    assert copy.ground.left_over == []


def test_a_worker_replaces_only_what_it_has_placed(copy):
    copy.ground.place(copy.ground.job(base="2026-other", fingerprint=NEWER))
    other = copy.ground.inbox / "2026-other.md"

    replies = [
        copy.replaced(over=Over(b"9" * 32, Seen.of(other.stat()))),
        copy.replaced(over=Over(ORIGIN, Seen.of(other.stat()))),
    ]

    assert [reply.outcome for reply in replies] == [Outcome.AWAY, Outcome.CHANGED]


def test_a_worker_without_leave_replaces_nothing(copy):
    copy.ground.reopens = frozenset()

    reply = copy.replaced()

    assert reply.outcome is Outcome.FAILED
    assert REST not in copy.path.read_bytes()


def test_what_is_replaced_again_under_one_fingerprint_is_replaced_once(copy):
    first = copy.replaced(due=DUE)
    written = copy.path.stat().st_ino

    second = copy.replaced(due=DUE)

    copy.ground.rows.save(copy.ground.clock)
    assert (first.outcome, second.outcome) == (Outcome.PLACED, Outcome.DUPLICATE)
    assert copy.path.stat().st_ino == written
    assert len(list(firings(copy.ground))) == 1


def firings(ground):
    """Those that are due."""
    while row := ground.rows.take(Take((), (), (), wanted=True)):
        yield row.hook


def test_a_hook_fires_for_a_message_that_was_replaced_though_the_placer_died(copy):
    copy.replaced(due=DUE)

    copy.ground.restart()

    assert list(firings(copy.ground)) == ["tell"]
    assert copy.replaced(due=DUE).outcome is Outcome.DUPLICATE


def test_no_hook_fires_for_a_message_that_was_not_replaced(copy):
    reply = copy.replaced(over=Over(ORIGIN, Seen(1, 1, 1)), due=DUE)

    copy.ground.rows.save(copy.ground.clock)
    assert reply.outcome is Outcome.CHANGED
    assert list(firings(copy.ground)) == []


@pytest.mark.parametrize("call", ["write", "flush", "rename"])
def test_a_disk_that_refuses_leaves_the_message_as_it_was(copy, faulty, call):
    copy.ground.rows.save(copy.ground.clock)
    copy.ground.rows.close()
    copy.ground.begin(faulty(call, errno.ENOSPC))
    before = copy.path.read_bytes()

    reply = copy.replaced()

    assert reply.outcome is Outcome.FAILED
    assert copy.path.read_bytes() == before
    assert copy.ground.left_over == []


def test_a_message_that_was_replaced_is_opened_and_replaced_again(copy):
    copy.replaced()

    reply, (descriptor,) = copy.opening()

    assert reply.outcome is Outcome.OPENED
    assert REST in os.pread(descriptor, 1000, 0)
    assert copy.replaced(NEWER).outcome is Outcome.PLACED


def test_a_bundle_that_its_owner_made_a_link_is_not_followed(bare, tmp_path):
    bare.begin(Disk())
    bare.place(bare.job(bare.passed(b"x"), attachments=("a.txt",), fingerprint=ORIGIN))
    copy = Copy(bare, bare.inbox / BASE / f"{BASE}.md")
    seen = copy.seen
    elsewhere = tmp_path / "elsewhere"
    (bare.inbox / BASE).rename(elsewhere)
    (bare.inbox / BASE).symlink_to(elsewhere)

    reply = copy.replaced(over=Over(ORIGIN, seen))

    assert reply.outcome is Outcome.CHANGED
    assert REST not in (elsewhere / f"{BASE}.md").read_bytes()
