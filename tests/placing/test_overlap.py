"""What holds while one batch is on its way and the next one comes."""

import errno
import os

import pytest

from aimx.channel.placing import Due, Folder, Outcome
from aimx.placing import drafts, mailboxes
from aimx.placing.control import Take
from aimx.placing.job import Job
from aimx.placing.mailboxes import Place

BASE = "2026-01-02-030405-hello"
ONE, TWO = b"1" * 32, b"2" * 32
DUE = Due(("tell",), b"facts")


@pytest.fixture
def disk(bare, held):
    """A disk on which what is begun ends when the test says so."""
    bare.begin(disk := held())
    return disk


def outcome(job: Job) -> Outcome | None:
    return None if job.reply is None else job.reply.outcome


def names(ground) -> list[str]:
    return sorted(path.name for path in ground.inbox.iterdir())


def end(bare, disk, error: int = 0) -> None:
    """The disk ends what was begun, with this error or none, and nothing is on the way any more."""
    for flush in disk.begun:
        flush.end(error)
    bare.committer.finish()


def make_again(bare) -> None:
    """Another directory in the place of the mailbox's, which goes on as `retired`."""
    bare.inbox.rename(bare.root / "retired")
    bare.add("a.example/inbox/info")


def test_an_answer_comes_after_file_row_name_and_directory(bare, disk):
    job = bare.job(fingerprint=ONE)

    bare.committer.begin([job])
    with bare.observer() as rows:
        assert [row.fingerprint for row in rows.unconfirmed()] == [ONE]
    assert (names(bare), bare.committer.advance()) == ([], [])

    disk.begun[0].end()
    assert (bare.committer.advance(), outcome(job)) == ([], None)
    assert names(bare) == [f"{BASE}.md"]

    assert bare.committer.rest() == [job]
    assert outcome(job) is Outcome.PLACED


def test_a_batch_is_written_while_the_names_of_the_last_are_flushed(bare, disk):
    first, second = bare.job(), bare.job()
    bare.committer.begin([first])
    disk.begun[0].end()
    bare.committer.advance()

    bare.committer.begin([second])
    _, directory, others = disk.begun
    others.end()

    assert bare.committer.advance() == []
    assert names(bare) == [f"{BASE}.md"]
    directory.end()
    assert bare.committer.advance() == [first]
    assert names(bare) == [f"{BASE}-2.md", f"{BASE}.md"]
    assert bare.committer.rest() == [second]


def test_a_file_that_takes_long_does_not_keep_others_waiting(bare, disk):
    large, small = bare.job(), bare.job()
    bare.committer.begin([large])
    bare.committer.begin([small])

    disk.begun[1].end()
    bare.committer.advance()

    assert bare.committer.rest() == [small]
    disk.begun[0].end()
    assert bare.committer.finish() == [large]


@pytest.mark.parametrize("batches", ["in-one-batch", "in-two"])
@pytest.mark.parametrize("error", [0, errno.EIO])
def test_an_equal_message_gets_the_outcome_of_the_one_on_its_way(bare, disk, batches, error):
    first, second, third = (bare.job(fingerprint=ONE) for _ in range(3))
    for batch in (
        [[first, second, third]] if batches == "in-one-batch" else [[first], [second, third]]
    ):
        bare.committer.begin(batch)

    end(bare, disk, error)

    expected = [Outcome.FAILED] * 3 if error else [Outcome.PLACED] + [Outcome.DUPLICATE] * 2
    assert [outcome(job) for job in (first, second, third)] == expected
    assert len({job.reply.text for job in (first, second, third)}) == 1
    assert len(names(bare)) == (0 if error else 1)


def test_what_failed_with_its_followers_is_kept_when_it_comes_again(bare, disk):
    bare.committer.begin([bare.job(fingerprint=ONE)])
    bare.committer.begin([bare.job(fingerprint=ONE)])
    end(bare, disk, errno.EIO)

    bare.committer.begin([again := bare.job(fingerprint=ONE)])
    disk.begun[-1].end()
    bare.committer.finish()

    assert outcome(again) is Outcome.PLACED


def test_who_follows_into_a_mailbox_that_is_another_now_is_not_told_of_the_old_one(bare, disk):
    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=ONE)
    bare.committer.begin([first])
    disk.begun[0].end()
    bare.committer.advance()
    make_again(bare)

    bare.committer.begin([second])
    end(bare, disk)

    assert (outcome(first), outcome(second)) == (Outcome.PLACED, Outcome.AWAY)
    assert names(bare) == []
    assert len(list((bare.root / "retired").iterdir())) == 1


@pytest.mark.parametrize("when", ["before-the-name", "before-the-answer"])
def test_a_mailbox_that_cannot_be_looked_for_fails_for_now(bare, disk, monkeypatch, when):
    def failing(_: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=ONE)
    bare.committer.begin([first, second])
    disk.begun[0].end()
    if when == "before-the-answer":
        bare.committer.advance()
    monkeypatch.setattr(bare.mailboxes, "is_moved", failing)
    bare.committer.finish()

    is_named = when == "before-the-answer"
    assert outcome(first) is (Outcome.PLACED if is_named else Outcome.FAILED)
    assert outcome(second) is Outcome.FAILED
    assert names(bare) == ([f"{BASE}.md"] if is_named else [])


def test_a_mailbox_that_is_made_again_meanwhile_gets_what_comes_then(bare, disk):
    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=TWO)
    bare.committer.begin([first])
    make_again(bare)

    bare.committer.begin([second])
    end(bare, disk)

    assert (outcome(first), outcome(second)) == (Outcome.AWAY, Outcome.PLACED)
    assert names(bare) == [f"{BASE}.md"]
    assert list((bare.root / "retired").iterdir()) == []


def test_stems_are_given_once_though_others_mailboxes_are_opened_meanwhile(bare, disk, monkeypatch):
    monkeypatch.setattr(mailboxes, "_KEPT", 1)
    first, second = bare.job(), bare.job()
    bare.committer.begin([first])
    for name in ("other", "another"):
        bare.add(f"a.example/inbox/{name}")
        bare.mailboxes.get(Place("a.example", Folder.INBOX, name), os.getuid())
    bare.mailboxes.release()

    bare.committer.begin([second])
    end(bare, disk)

    assert [job.reply.text for job in (first, second)] == [BASE, f"{BASE}-2"]
    assert names(bare) == [f"{BASE}-2.md", f"{BASE}.md"]


def test_files_that_cannot_be_flushed_fail_their_batch_alone(bare, disk):
    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=TWO)
    bare.committer.begin([first])
    bare.committer.begin([second])
    disk.begun[0].end(errno.EIO)
    disk.begun[1].end()

    bare.committer.finish()

    assert (outcome(first), outcome(second)) == (Outcome.FAILED, Outcome.PLACED)
    assert names(bare) == [f"{BASE}-2.md"]


def test_names_that_cannot_be_flushed_are_taken_back_and_those_of_the_next_batch_stay(bare, disk):
    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=TWO)
    bare.committer.begin([first])
    disk.begun[0].end()
    bare.committer.advance()
    bare.committer.begin([second])
    _, directory, files = disk.begun
    directory.end(errno.EIO)
    files.end()

    bare.committer.finish()

    assert (outcome(first), outcome(second)) == (Outcome.FAILED, Outcome.PLACED)
    assert names(bare) == [f"{BASE}-2.md"]
    assert bare.rows.stem(ONE, bare.clock) is None


def test_rows_that_cannot_be_written_fail_their_batch_alone(bare, disk):
    first, second = bare.job(fingerprint=ONE), bare.job(fingerprint=TWO)
    bare.committer.begin([first])
    disk.begun[0].end()
    bare.committer.advance()
    bare.rows.close()

    bare.committer.begin([second])
    end(bare, disk)

    assert (outcome(first), outcome(second)) == (Outcome.PLACED, Outcome.FAILED)
    assert names(bare) == [f"{BASE}.md"]


def test_a_hook_is_due_only_once_its_message_is_answered(bare, disk):
    bare.committer.begin([bare.job(fingerprint=ONE, due=DUE)])
    disk.begun[0].end()
    bare.committer.advance()
    bare.committer.begin([bare.job(fingerprint=TWO)])
    assert bare.rows.take(Take((), (), (), wanted=True)) is None

    disk.begun[1].end()
    bare.committer.advance()

    due = bare.rows.take(Take((), (), (), wanted=True))
    assert (due and due.hook) == "tell"
    disk.begun[2].end()
    bare.committer.finish()


def test_nothing_stays_open_of_what_is_over(bare, disk):
    before = len(os.listdir("/proc/self/fd"))
    jobs = [bare.job(), bare.job(bare.passed(b"x"), attachments=("x",)), bare.job(name="nobody")]
    passed = 1

    for job in jobs:
        bare.committer.begin([job])
    end(bare, disk)
    bare.mailboxes.close()

    assert len(os.listdir("/proc/self/fd")) == before + passed


def test_a_second_name_that_could_not_be_removed_goes_later(copying, monkeypatch):
    remove, failing = drafts.remove, [True]

    def removed(directory: int, name: str) -> None:
        if failing and failing.pop():
            raise OSError(errno.ENOSPC, "no space")
        remove(directory, name)

    monkeypatch.setattr(drafts, "remove", removed)

    (reply,) = copying.place(copying.job())
    assert reply.outcome is Outcome.PLACED
    assert len(copying.left_over) == 1

    copying.desk.clear()
    assert copying.left_over == []
    assert (copying.inbox / f"{BASE}.md").stat().st_nlink == 1
