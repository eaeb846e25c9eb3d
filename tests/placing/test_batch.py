import errno
import os
import shutil
import stat
import threading
import tomllib
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from aimx.channel.placing import Folder, Outcome, Reply
from aimx.placing import disk, drafts
from aimx.placing.disk import Disk

BASE = "2026-01-02-030405-hello"
ONE, TWO = b"1" * 32, b"2" * 32


def outcomes(replies: list[Reply]) -> list[Outcome]:
    return [reply.outcome for reply in replies]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_message_becomes_a_file_whose_id_is_its_name(ground):
    job = ground.job()

    assert ground.place(job) == [Reply(job.request.number, Outcome.PLACED, BASE)]

    file = ground.inbox / f"{BASE}.md"
    assert file.read_bytes() == f'+++\nid = "{BASE}"\nread = false\n+++\n\nHello\n'.encode()
    assert tomllib.loads(file.read_text().split("+++")[1])["id"] == BASE
    assert (mode(file), file.stat().st_nlink) == (0o600, 1)


def test_a_message_with_attachments_becomes_a_directory(ground):
    passed = [ground.passed(b"one"), ground.passed(b"two")]

    (reply,) = ground.place(ground.job(*passed, attachments=("a.txt", "b.pdf")))

    bundle = ground.inbox / reply.text
    assert mode(bundle) == 0o700
    assert names(bundle) == [f"{BASE}.md", "a.txt", "b.pdf"]
    assert [(bundle / name).read_bytes() for name in ("a.txt", "b.pdf")] == [b"one", b"two"]
    assert {mode(path) for path in bundle.iterdir()} == {0o600}
    assert ground.left_over == []


def test_content_that_comes_as_a_descriptor_follows_our_first_lines(ground):
    content = os.urandom(300_000)

    (reply,) = ground.place(ground.job(ground.passed(content), rest=None))

    head = f'+++\nid = "{BASE}"\n'.encode()
    assert (ground.inbox / f"{reply.text}.md").read_bytes() == head + content


def test_equal_stems_get_numbers_and_a_bundle_shares_none_with_a_message(ground):
    (ground.inbox / f"{BASE}-2").mkdir()
    passed = ground.passed(b"x")

    replies = ground.place(ground.job(), ground.job(passed, attachments=("x",)), ground.job())

    assert [reply.text for reply in replies] == [BASE, f"{BASE}-3", f"{BASE}-4"]
    assert names(ground.inbox) == [f"{BASE}-2", f"{BASE}-3", f"{BASE}-4.md", f"{BASE}.md"]


def test_thousands_with_one_stem_take_no_longer_one_by_one(ground):
    for number in range(1, 3001):
        suffix = "" if number == 1 else f"-{number}"
        (ground.inbox / f"{BASE}{suffix}.md").touch()

    replies = ground.place(*(ground.job() for _ in range(200)))

    assert [reply.text for reply in replies] == [f"{BASE}-{3001 + n}" for n in range(200)]


def test_a_message_that_comes_again_within_a_day_is_not_kept_again(ground):
    ground.place(ground.job(fingerprint=ONE))
    ground.later(timedelta(hours=24) - timedelta(seconds=1))

    assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.DUPLICATE]
    assert names(ground.inbox) == [f"{BASE}.md"]

    ground.later(timedelta(hours=24))
    assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.PLACED]


def test_a_hit_counts_the_day_anew(ground):
    ground.place(ground.job(fingerprint=ONE))
    for _ in range(3):
        ground.later(timedelta(hours=23))
        assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.DUPLICATE]

    ground.later(timedelta(hours=25))
    assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.PLACED]


def test_a_message_counts_as_placed_though_its_owner_removed_it(ground):
    ground.place(ground.job(fingerprint=ONE))
    ground.rows.save(ground.clock)
    (ground.inbox / f"{BASE}.md").unlink()

    assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.DUPLICATE]


@pytest.mark.parametrize("restarts", [False, True], ids=["at-once", "after-a-restart"])
@pytest.mark.parametrize("goes", ["aside", "for-good"])
def test_what_an_earlier_mailbox_of_that_name_has_is_kept_again(ground, goes, restarts):
    ground.place(ground.job(fingerprint=ONE))
    ground.rows.save(ground.clock)
    if goes == "aside":
        ground.inbox.rename(ground.root / "tombstone")
    else:
        shutil.rmtree(ground.inbox)
    ground.add("a.example/inbox/info")
    if restarts:
        ground.restart()

    first, again = (outcomes(ground.place(ground.job(fingerprint=ONE))) for _ in range(2))

    assert (first, again) == ([Outcome.PLACED], [Outcome.DUPLICATE])
    assert names(ground.inbox) == [f"{BASE}.md"]


def test_what_a_mailbox_has_that_came_back_is_known(ground):
    ground.place(ground.job(fingerprint=ONE))
    ground.inbox.rename(ground.root / "tombstone")
    ground.add("a.example/inbox/info")
    ground.place(ground.job(fingerprint=TWO))
    ground.inbox.rename(ground.root / "other")
    (ground.root / "tombstone").rename(ground.inbox)

    assert outcomes(ground.place(ground.job(fingerprint=ONE))) == [Outcome.DUPLICATE]


def test_of_two_equal_messages_in_a_batch_the_second_gets_the_firsts_outcome(ground):
    first, second, other = (
        ground.job(fingerprint=ONE),
        ground.job(fingerprint=ONE),
        ground.job(fingerprint=TWO),
    )

    assert ground.place(first, second, other) == [
        Reply(first.request.number, Outcome.PLACED, BASE),
        Reply(second.request.number, Outcome.DUPLICATE, BASE),
        Reply(other.request.number, Outcome.PLACED, f"{BASE}-2"),
    ]


def test_where_the_first_of_two_equal_messages_fails_the_second_fails_too(bare, faulty):
    bare.begin(faulty("flush", errno.EIO, times=1))

    jobs = [bare.job(fingerprint=ONE), bare.job(fingerprint=ONE), bare.job(fingerprint=TWO)]

    assert outcomes(bare.place(*jobs)) == [Outcome.FAILED, Outcome.FAILED, Outcome.PLACED]


def test_messages_without_a_fingerprint_are_kept_however_often_they_come(ground):
    assert outcomes(ground.place(ground.job(), ground.job())) == [Outcome.PLACED] * 2


def test_a_worker_places_only_where_it_may(ground):
    ground.add("a.example/sent/info")

    (reply,) = ground.place(ground.job(folder=Folder.SENT))

    assert reply.outcome is Outcome.FAILED
    assert "sent/" in reply.text
    assert names(ground.root / "a.example/sent/info") == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "nobody"}, id="no-mailbox"),
        pytest.param({"domain": "b.example"}, id="no-domain"),
        pytest.param({"uid": 54321}, id="another-owner"),
    ],
)
def test_a_mailbox_that_is_not_as_the_worker_thinks_gets_nothing(ground, changes):
    before = names(ground.root)

    assert outcomes(ground.place(ground.job(**changes))) == [Outcome.AWAY]

    assert names(ground.root) == before
    assert names(ground.inbox) == []


def test_a_mailbox_that_is_a_link_gets_nothing(ground):
    ground.inbox.rmdir()
    elsewhere = ground.add("elsewhere")
    ground.inbox.symlink_to(elsewhere)

    assert outcomes(ground.place(ground.job())) == [Outcome.AWAY]
    assert names(elsewhere) == []


@pytest.mark.parametrize("part", ["a.example", "a.example/inbox"])
def test_a_link_above_the_mailbox_is_not_followed(ground, part):
    path = ground.root / part
    path.rename(ground.root / "moved")
    path.symlink_to(ground.root / "moved")

    assert outcomes(ground.place(ground.job())) == [Outcome.AWAY]


def test_a_mailbox_below_a_directory_that_others_write_to_gets_nothing(ground):
    (ground.root / "a.example/inbox").chmod(0o777)

    (reply,) = ground.place(ground.job())

    assert reply.outcome is Outcome.FAILED
    assert "aimx apply" in reply.text


@pytest.mark.root
@pytest.mark.parametrize("above", ["a.example", "a.example/inbox"])
def test_a_mailbox_below_somebody_elses_directory_gets_nothing(ground, account, above):
    os.chown(ground.root / above, account.uid, account.gid)

    (reply,) = ground.place(ground.job())

    assert reply.outcome is Outcome.FAILED
    assert "aimx apply" in reply.text


def test_a_mailbox_that_was_replaced_gets_the_next_message(ground):
    ground.place(ground.job())
    ground.inbox.rename(ground.root / "retired")
    ground.add("a.example/inbox/info")

    assert outcomes(ground.place(ground.job())) == [Outcome.PLACED]
    assert names(ground.inbox) == [f"{BASE}.md"]


def test_a_mailbox_that_moves_while_a_message_is_written_does_not_get_it(bare):
    class Moving(Disk):
        def flush(self, descriptor: int) -> None:
            super().flush(descriptor)
            bare.inbox.rename(bare.root / "retired")

    bare.begin(Moving())

    (reply,) = bare.place(bare.job(fingerprint=ONE))

    assert reply.outcome is Outcome.AWAY
    assert "moved" in reply.text
    assert names(bare.root / "retired") == []


def test_a_name_that_appears_meanwhile_is_not_replaced(bare):
    class Racing(Disk):
        def flush(self, descriptor: int) -> None:
            super().flush(descriptor)
            (bare.inbox / f"{BASE}.md").write_bytes(b"mine")

    bare.begin(Racing())

    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.FAILED]
    assert (bare.inbox / f"{BASE}.md").read_bytes() == b"mine"


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("call", ["unnamed", "write", "copy", "link", "rename", "flush"])
def test_a_call_that_fails_leaves_nothing_half_visible(bare, faulty, call, after, error):
    bare.begin(faulty(call, error, after))
    jobs = [
        bare.job(fingerprint=ONE),
        bare.job(bare.passed(b"x"), bare.passed(b"y"), attachments=("x", "y"), fingerprint=TWO),
        bare.job(bare.passed(b"large"), rest=None),
    ]

    replies = bare.place(*jobs)

    failure = Outcome.FULL if error == errno.EDQUOT else Outcome.FAILED
    assert set(outcomes(replies)) <= {Outcome.PLACED, failure}
    assert failure in outcomes(replies) or call in ("link", "write", "unnamed", "copy", "rename")
    placed = [reply.text for reply in replies if reply.outcome is Outcome.PLACED]
    assert sorted(path.name.removesuffix(".md") for path in bare.inbox.iterdir()) == sorted(placed)
    assert bare.left_over == []


def test_the_answer_comes_after_file_row_name_and_directory(bare):
    job, seen = bare.job(fingerprint=ONE), []

    class Watched(Disk):
        def flush(self, descriptor: int) -> None:
            with bare.observer() as rows:
                recorded = len(rows.unconfirmed())
            seen.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), recorded, names(bare.inbox)))
            assert job.reply is None
            super().flush(descriptor)

    bare.begin(Watched())
    seen.clear()

    assert outcomes(bare.place(job)) == [Outcome.PLACED]
    assert seen == [(False, 0, []), (True, 1, [f"{BASE}.md"])]


def test_a_mailbox_that_cannot_be_looked_for_fails_for_now(ground, monkeypatch):
    def failing(_: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(ground.mailboxes, "is_moved", failing)

    assert outcomes(ground.place(ground.job(), ground.job())) == [Outcome.FAILED] * 2
    assert names(ground.inbox) == []


def test_nothing_stays_open_of_what_is_over(ground):
    before = len(os.listdir("/proc/self/fd"))
    passed = ground.passed(b"x")

    ground.place(ground.job(), ground.job(passed, attachments=("x",)), ground.job(name="nobody"))
    ground.mailboxes.close()

    assert len(os.listdir("/proc/self/fd")) == before + 1


def test_a_second_name_that_could_not_be_removed_goes_later(copying, monkeypatch):
    remove, failing = drafts.remove, [True]

    def removed(directory: int, name: str) -> None:
        if failing and failing.pop():
            raise OSError(errno.ENOSPC, "no space")
        remove(directory, name)

    monkeypatch.setattr(drafts, "remove", removed)

    assert outcomes(copying.place(copying.job())) == [Outcome.PLACED]
    assert len(copying.left_over) == 1

    copying.desk.clear()
    assert copying.left_over == []
    assert (copying.inbox / f"{BASE}.md").stat().st_nlink == 1


def test_what_failed_is_kept_when_it_comes_again(bare, faulty):
    bare.begin(faulty("link", errno.EIO, times=1))
    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.FAILED]

    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.PLACED]
    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.DUPLICATE]


def test_one_message_that_fails_does_not_fail_the_others(bare, faulty):
    bare.begin(faulty("flush", errno.EIO, after=1, times=1))

    replies = bare.place(*(bare.job() for _ in range(3)))

    assert outcomes(replies) == [Outcome.PLACED, Outcome.FAILED, Outcome.PLACED]


def test_a_mailbox_that_cannot_be_flushed_takes_its_messages_back(bare, faulty):
    bare.begin(faulty("flush", errno.EIO, after=1, times=1))

    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.FAILED]
    assert names(bare.inbox) == []
    assert outcomes(bare.place(bare.job(fingerprint=ONE))) == [Outcome.PLACED]


def test_nothing_is_placed_while_the_database_cannot_be_written(ground):
    ground.place(ground.job(fingerprint=TWO))
    ground.rows.close()

    replies = ground.place(
        ground.job(fingerprint=ONE), ground.job(fingerprint=TWO), ground.job(fingerprint=ONE)
    )

    assert outcomes(replies) == [Outcome.FAILED] * 3
    assert names(ground.inbox) == [f"{BASE}.md"]


@pytest.mark.root
def test_a_full_disk_is_a_temporary_failure_and_leaves_nothing(small_disk, bare):
    moved = small_disk / "data"
    bare.root.rename(bare.root.with_name("unused"))
    for path in (".aimx/placing", ".aimx/spool", "a.example/inbox/info"):
        (moved / path).mkdir(parents=True)
    bare.root = moved
    with bare.leaving:
        bare.begin()

        replies = [bare.place(bare.job(rest=bytes(60_000)))[0] for _ in range(12)]

        failed = [reply for reply in replies if reply.outcome is Outcome.FAILED]
        assert failed
        assert {"No space left on device" in reply.text for reply in failed} == {True}
        placed = [reply.text for reply in replies if reply.outcome is Outcome.PLACED]
        assert sorted(path.name[:-3] for path in bare.inbox.iterdir()) == sorted(placed)
        assert {path.stat().st_size > 60_000 for path in bare.inbox.iterdir()} == {True}


def test_without_unnamed_files_everything_is_placed_alike(copying):
    passed = [copying.passed(b"one"), copying.passed(b"large")]

    replies = copying.place(
        copying.job(),
        copying.job(passed[0], attachments=("a.txt",)),
        copying.job(passed[1], rest=None),
    )

    assert outcomes(replies) == [Outcome.PLACED] * 3
    assert names(copying.inbox) == [f"{BASE}-2", f"{BASE}-3.md", f"{BASE}.md"]
    assert (copying.inbox / f"{BASE}-2/a.txt").read_bytes() == b"one"
    assert (copying.inbox / f"{BASE}.md").stat().st_nlink == 1
    assert copying.left_over == []


def test_without_unnamed_files_a_failure_leaves_nothing_either(bare, faulty):
    bare.begin(faulty("link", errno.EIO), unnamed=False)

    assert outcomes(bare.place(bare.job(), bare.job())) == [Outcome.FAILED] * 2
    assert (names(bare.inbox), bare.left_over) == ([], [])


def test_a_bundle_that_cannot_be_opened_leaves_nothing(ground, monkeypatch):
    open_, failing = os.open, [True]

    def opened(path: str, *flags: int, **where: int) -> int:
        if str(path).startswith("bundle-") and failing and failing.pop():
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_(path, *flags, **where)

    passed = ground.passed(b"x")
    monkeypatch.setattr(os, "open", opened)

    replies = ground.place(ground.job(passed, attachments=("a.txt",)))

    assert outcomes(replies) == [Outcome.FAILED]
    assert (names(ground.inbox), ground.left_over) == ([], [])


@pytest.mark.parametrize("call", ["write", "nothing"])
def test_what_is_complained_of_at_the_end_leaves_nothing(bare, faulty, monkeypatch, call):
    disk = faulty("write", errno.EDQUOT, after=2 if call == "write" else 1 << 20)
    bare.begin(disk, unnamed=False)
    bare.place(bare.job())  # The mailbox is open by now.
    passed, close = bare.passed(b"x"), os.close

    def closed(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", closed)
        replies = bare.place(bare.job(passed, attachments=("a.txt",)))

    assert outcomes(replies) == [Outcome.FULL if call == "write" else Outcome.PLACED]
    assert bare.left_over == []


class Kernel:
    """Flushes when it is told to, and tells which."""

    def __init__(self, flushed: Callable[[int], object]) -> None:
        self._flushed = flushed

    def begin(self, descriptors: Sequence[int]) -> disk.Over:
        failures = {}
        for each in descriptors:
            try:
                self._flushed(each)
            except OSError as failure:
                failures[each] = failure
        return disk.Over(failures)


@pytest.mark.parametrize("has_kernel", [False, True], ids=["threads", "kernel"])
def test_files_are_flushed_side_by_side_while_the_disk_is_slow(bare, monkeypatch, has_kernel):
    by: list[int] = []
    takes, now = [0.02], [0.0]
    kernel = Kernel(lambda _: by.append(0)) if has_kernel else None

    class Changing(Disk):
        def flush(self, descriptor: int) -> None:
            by.append(threading.get_ident())
            now[0] += takes[0]

    def others() -> int:
        """How many of four files somebody else flushes."""
        by.clear()
        assert outcomes(bare.place(*(bare.job() for _ in range(4)))) == [Outcome.PLACED] * 4
        return sum(each != threading.get_ident() for each in by)

    monkeypatch.setattr(disk, "time", SimpleNamespace(monotonic=lambda: now[0]))
    bare.begin(Changing(kernel))
    assert others() == 0
    assert others() == 4
    takes[0] = 0.0
    while others():
        pass
    assert others() == 0
    takes[0] = 0.02
    assert others() == 0
    assert others() == 4


WAYS = pytest.mark.parametrize(
    ("is_slow", "has_kernel"),
    [
        pytest.param(False, False, id="one-by-one"),
        pytest.param(True, False, id="threads"),
        pytest.param(True, True, id="kernel"),
    ],
)


@WAYS
def test_both_ends_of_a_bundles_way_are_flushed_once_it_has_its_name(bare, is_slow, has_kernel):
    seen: list[tuple[str, list[str]]] = []

    def flushed(descriptor: int) -> None:
        seen.append((os.readlink(f"/proc/self/fd/{descriptor}"), names(bare.inbox)))

    class Watched(Disk):
        def flush(self, descriptor: int) -> None:
            flushed(descriptor)

    bare.begin(Watched(Kernel(flushed) if has_kernel else None, -1.0 if is_slow else 1e9))
    job = bare.job(bare.passed(b"x"), attachments=("x",))

    assert outcomes(bare.place(job)) == [Outcome.PLACED]
    after = [path for path, there in seen if there == [BASE]]
    assert sorted(after) == sorted([str(bare.inbox), str(bare.placing)])


@WAYS
@pytest.mark.parametrize("end", ["inbox", "placing"])
def test_a_bundle_of_whose_way_one_end_is_not_flushed_is_not_placed(bare, is_slow, has_kernel, end):
    failing = str(getattr(bare, end))

    def flushed(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    class Failing(Disk):
        def flush(self, descriptor: int) -> None:
            flushed(descriptor)

    bare.begin(Failing(Kernel(flushed) if has_kernel else None, -1.0 if is_slow else 1e9))
    job = bare.job(bare.passed(b"x"), attachments=("x",))

    assert outcomes(bare.place(job)) == [Outcome.FAILED]
    assert (names(bare.inbox), bare.left_over) == ([], [])


@pytest.mark.root
def test_everything_that_is_placed_is_its_owners(bare, account):
    for path in (bare.inbox,):
        os.chown(path, account.uid, account.gid)
    bare.begin()
    passed = bare.passed(b"x")

    replies = bare.place(
        bare.job(uid=account.uid), bare.job(passed, uid=account.uid, attachments=("x",))
    )

    assert outcomes(replies) == [Outcome.PLACED] * 2
    placed = list(bare.inbox.rglob("*"))
    assert len(placed) == 4
    assert {(path.stat().st_uid, path.stat().st_gid) for path in placed} == {
        (account.uid, account.gid)
    }
