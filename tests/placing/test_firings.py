"""The firings beside the rows: due once a message is placed, and handed out once."""

import os
import sqlite3
from contextlib import closing

import pytest

from aimx.channel.placing import Due, Folder, Outcome
from aimx.placing import firings
from aimx.placing.control import Firing, Idle, Take
from aimx.placing.firings import Wanted
from aimx.placing.handing import Handing
from aimx.placing.mailboxes import Place
from aimx.placing.rows import Row

ONE = b"1" * 32
TOLD = Due(("tell", "wake"), b"facts")
NEXT = Take(running=(), finished=(), busy=(), wanted=True)


@pytest.fixture
def handed(ground):
    """What the placer answers to a question, with what the descriptor reads."""
    passed = []

    def ask(take=NEXT):
        answer, descriptors = Handing(ground.rows, ground.mailboxes).answer(take)
        passed.extend(descriptors)
        content = [os.read(descriptor, 4096) for descriptor in descriptors]
        return answer, (content[0] if content else None)

    yield ask
    for descriptor in passed:
        os.close(descriptor)


def placed(ground, *, due=TOLD, fingerprint=ONE, **changes):
    (reply,) = ground.place(ground.job(fingerprint=fingerprint, due=due, **changes))
    return reply.text


def test_a_firing_is_due_once_its_message_is_confirmed(ground, handed):
    stem = placed(ground)
    assert ground.rows.awakes

    answer, content = handed()

    assert answer == Firing(
        number=1,
        hook="tell",
        uid=os.getuid(),
        domain="a.example",
        folder="inbox",
        name="info",
        stem=stem,
        path=f"{stem}.md",
        facts="facts",
    )
    assert content == (ground.inbox / f"{stem}.md").read_bytes()
    assert not ground.rows.awakes


def test_each_hook_is_handed_out_once(ground, handed):
    placed(ground)

    answers = [handed()[0] for _ in range(3)]

    assert [getattr(answer, "hook", answer) for answer in answers] == ["tell", "wake", Idle()]


def test_a_duplicate_adds_no_firing(ground, handed):
    ground.place(*[ground.job(fingerprint=ONE, due=TOLD) for _ in range(2)])
    placed(ground)

    answers = [handed()[0] for _ in range(3)]

    assert answers[2] == Idle()


def test_a_message_that_is_not_placed_fires_nothing(bare, faulty):
    bare.begin(faulty("link", 5))
    bare.place(bare.job(fingerprint=ONE, due=TOLD))

    answer, _ = Handing(bare.rows, bare.mailboxes).answer(NEXT)

    assert answer == Idle()


def test_a_message_that_is_placed_at_the_second_try_fires_once(bare, faulty):
    bare.begin(faulty("link", 5, times=1))
    for _ in range(2):
        bare.place(bare.job(fingerprint=ONE, due=Due(("tell",), b"")))
    handing = Handing(bare.rows, bare.mailboxes)

    answers = [handing.answer(NEXT) for _ in range(2)]
    os.close(answers[0][1][0])

    assert isinstance(answers[0][0], Firing)
    assert answers[1][0] == Idle()


def test_a_placer_that_is_killed_before_it_confirms_loses_no_firing(ground, handed):
    placed(ground)
    ground.restart()

    answer, content = handed()

    assert isinstance(answer, Firing)
    assert content is not None


def test_a_firing_of_a_message_that_never_got_its_name_goes(ground, handed):
    stem = placed(ground)
    (ground.inbox / f"{stem}.md").unlink()
    ground.restart()

    assert handed()[0] == Idle()


def test_busy_owners_wait_and_others_do_not(ground, handed):
    placed(ground)

    assert handed(Take((), (), (os.getuid(),), wanted=True))[0] == Idle()
    assert isinstance(handed(Take((), (), (os.getuid() + 1,), wanted=True))[0], Firing)


def test_who_wants_none_gets_none(ground, handed):
    placed(ground)

    assert handed(Take((), (), (), wanted=False))[0] == Idle()


def test_what_had_begun_is_told_by_the_next_placer_and_not_handed_out_again(ground, handed, capsys):
    placed(ground)
    handed()
    ground.restart()

    answer, _ = handed()

    assert isinstance(answer, Firing)
    assert answer.hook == "wake"
    told = capsys.readouterr().out
    assert "interrupted" in told
    assert "tell" in told
    ground.restart()
    handed(Take((2,), (), (), wanted=True))
    assert "interrupted" not in capsys.readouterr().out


def test_what_runs_or_is_over_is_not_interrupted(ground, handed, capsys):
    placed(ground)
    handed()
    handed()
    ground.restart()

    handed(Take(running=(1,), finished=(2,), busy=(), wanted=True))

    assert "interrupted" not in capsys.readouterr().out
    with sqlite3.connect(ground.placing / "placed.db") as database:
        assert database.execute("SELECT number FROM firings").fetchall() == [(1,)]
    database.close()


def removed(path, ground):
    path.unlink()


def linked(path, ground):
    path.rename(ground.root / "elsewhere")
    path.symlink_to(ground.root / "elsewhere")


def with_a_second_name(path, ground):
    os.link(path, ground.root / "other")


def a_pipe(path, ground):
    path.unlink()
    os.mkfifo(path)


def a_directory(path, ground):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [removed, linked, with_a_second_name, a_pipe, a_directory])
def test_what_the_owner_put_in_the_place_of_a_message_is_not_opened(ground, handed, change):
    stem = placed(ground)
    change(ground.inbox / f"{stem}.md", ground)

    answer, content = handed()

    assert (answer.hook, answer.path, content) == ("tell", "", None)
    assert answer.reason == "its message is not where it was placed any more"


def test_a_message_whose_mailbox_cannot_be_looked_for_is_not_told_as_gone(ground, handed):
    placed(ground)
    ground.mailboxes.close()
    ground.inbox.parent.chmod(0o777)

    answer, content = handed()

    assert (answer.path, content) == ("", None)
    assert "somebody else may write above a.example/inbox/info" in answer.reason


def test_a_message_that_cannot_be_opened_is_not_told_as_gone(ground, handed, no_descriptors):
    placed(ground)

    with no_descriptors():
        answer, content = handed()

    assert (answer.hook, answer.path, content) == ("tell", "", None)
    assert answer.reason == "its message cannot be opened: Too many open files"


def test_a_message_that_its_reader_rewrote_is_handed_out(ground, handed):
    stem = placed(ground)
    path = ground.inbox / f"{stem}.md"
    (ground.inbox / "beside").write_text("read = true")
    (ground.inbox / "beside").rename(path)

    assert handed()[1] == b"read = true"


def test_firings_that_could_not_be_recorded_as_over_are_not_taken_for_told(ground, handed):
    placed(ground)
    handed()
    ground.rows.close()

    answer, _ = handed(Take((), (1,), (), wanted=True))

    assert answer == Idle(recorded=False)


def test_there_is_news_when_a_firing_becomes_due(ground, handed):
    placed(ground, due=None)
    ground.rows.save(ground.clock)
    assert not ground.rows.news()

    placed(ground, fingerprint=b"2" * 32)
    ground.rows.save(ground.clock)

    assert [ground.rows.news() for _ in range(2)] == [True, False]


def test_firings_of_what_was_not_placed_take_no_room(bare, faulty, monkeypatch):
    monkeypatch.setattr(firings, "MOST_WAITING", 2)
    bare.begin(faulty("link", 5, times=5))

    for _ in range(6):
        bare.place(bare.job(fingerprint=ONE, due=Due(("tell",), b"")))

    answer, opened = Handing(bare.rows, bare.mailboxes).answer(NEXT)
    assert isinstance(answer, Firing)
    os.close(opened[0])


class Unreadable:
    """A database on a disk that takes what is written, and gives nothing back."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
        if statement.startswith("SELECT"):
            raise sqlite3.OperationalError("disk I/O error")
        return self._database.execute(statement, *arguments)


def test_what_is_committed_is_known_though_the_disk_cannot_be_read(bare, faulty):
    bare.begin(faulty("link", 5, times=1))
    bare.place(bare.job(fingerprint=ONE, due=TOLD))
    before = bare.rows.waiting
    database = bare.rows._database
    database._connection = Unreadable(database._connection)

    (reply,) = bare.place(bare.job())

    assert reply.outcome is Outcome.PLACED
    assert (before, bare.rows.waiting) == (2, 0)


def test_what_is_recorded_twice_before_it_is_confirmed_waits_once(ground):
    place = Place("a.example", Folder.INBOX, "info")
    wanted = Wanted(ONE, place, "stem", os.getuid(), TOLD)

    for _ in range(2):
        ground.rows.record([Row(ONE, place, "stem", 1)], (), ground.clock, [wanted])

    with ground.observer() as rows:
        assert ground.rows.waiting == rows.waiting == len(TOLD.hooks)


@pytest.mark.parametrize("hooks", [("tell",), ("tell", "wake"), ("tell", "wake", "call", "note")])
def test_no_more_firings_wait_though_many_come_in_one_batch(ground, monkeypatch, hooks):
    monkeypatch.setattr(firings, "MOST_WAITING", 3)
    jobs = [
        ground.job(fingerprint=bytes([number]) * 32, due=Due(hooks, b"facts"))
        for number in range(4)
    ]

    replies = ground.place(*jobs)

    assert {reply.outcome for reply in replies} == {Outcome.PLACED}
    with closing(sqlite3.connect(ground.placing / "placed.db")) as database:
        ((waiting,),) = database.execute("SELECT count(*) FROM firings")
    assert waiting == ground.rows.waiting == 3 - 3 % len(hooks)


def test_a_full_queue_drops_firings_and_keeps_mail(ground, handed, monkeypatch, capsys):
    monkeypatch.setattr(firings, "MOST_WAITING", 2)
    placed(ground)

    stem = placed(ground, fingerprint=b"2" * 32)

    assert (ground.inbox / f"{stem}.md").exists()
    assert [isinstance(handed()[0], Firing) for _ in range(3)] == [True, True, False]
    assert "2 firings of this owner wait already" in capsys.readouterr().out
    placed(ground, fingerprint=b"3" * 32)
    assert isinstance(handed()[0], Firing)
