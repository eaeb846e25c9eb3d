import errno
import os
import resource
from contextlib import closing

import pytest

from aimx.channel.placing import Folder
from aimx.placing import mailboxes
from aimx.placing.failure import PlacingError
from aimx.placing.mailboxes import Mailboxes, Place

INFO = Place("a.example", Folder.INBOX, "info")


def opened(ground) -> list[str]:
    """The directories of mailboxes that this process holds open."""
    descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    paths = [os.readlink(path) for path in descriptors if os.path.islink(path)]
    return [path for path in paths if path.startswith(f"{ground.root}/a.example")]


def test_a_mailbox_stays_open(ground):
    first = ground.mailboxes.get(INFO, os.getuid())

    assert ground.mailboxes.get(INFO, os.getuid()) is first


@pytest.fixture
def _many_descriptors():
    """As many as a worker gives itself: a shell's own limit may be 1,024."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_many_descriptors")
def test_a_thousand_mailboxes_stay_open_and_no_more(ground):
    places = [Place("a.example", Folder.INBOX, f"m{number}") for number in range(1100)]
    for place in places:
        (ground.root / place.path).mkdir()

    for place in places:
        ground.mailboxes.get(place, os.getuid())
        ground.mailboxes.release()

    assert len(opened(ground)) == 1000
    assert ground.mailboxes.get(places[-1], os.getuid()).place == places[-1]
    assert ground.mailboxes.get(places[0], os.getuid()).place == places[0]


def test_a_mailbox_that_was_given_out_stays_usable_until_the_release(ground):
    mailbox = ground.mailboxes.get(INFO, os.getuid())
    ground.inbox.rename(ground.root / "retired")
    ground.add("a.example/inbox/info")

    successor = ground.mailboxes.get(INFO, os.getuid())

    assert os.fstat(mailbox.descriptor).st_ino != os.fstat(successor.descriptor).st_ino
    ground.mailboxes.release()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(mailbox.descriptor)


def test_a_failure_leaves_nothing_open(ground):
    (ground.root / "a.example/inbox/file").touch()
    for name in ("nobody", "file"):
        with pytest.raises(PlacingError):
            ground.mailboxes.get(Place("a.example", Folder.INBOX, name), os.getuid())

    assert opened(ground) == []


def test_a_directory_that_cannot_be_looked_at_is_not_left_open(ground, monkeypatch):
    def failing(_: int) -> str:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(mailboxes, "mark", failing)

    with pytest.raises(PlacingError, match="Stale"):
        ground.mailboxes.get(INFO, os.getuid())
    assert opened(ground) == []


@pytest.mark.parametrize("there", ["nothing", "a-file", "a-link"])
def test_what_is_not_there_is_not_found(ground, there):
    ground.inbox.rename(ground.root / "elsewhere")
    match there:
        case "a-file":
            ground.inbox.touch()
        case "a-link":
            ground.inbox.symlink_to(ground.root / "elsewhere")

    assert ground.mailboxes.find(INFO) is None


def test_what_cannot_be_looked_for_is_not_told_as_not_there(ground, no_descriptors):
    with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        ground.mailboxes.find(INFO)

    ground.inbox.parent.chmod(0o777)

    with pytest.raises(PlacingError, match="somebody else may write above"):
        ground.mailboxes.find(INFO)


def test_a_mailbox_is_told_as_moved_when_its_name_means_something_else(ground):
    mailbox = ground.mailboxes.get(INFO, os.getuid())
    assert not ground.mailboxes.is_moved(mailbox)

    ground.inbox.rename(ground.root / "retired")
    assert ground.mailboxes.is_moved(mailbox)

    ground.add("a.example/inbox/info")
    assert ground.mailboxes.is_moved(mailbox)


def test_a_mailbox_that_cannot_be_looked_for_is_not_told_as_moved(ground):
    data = os.open(ground.root, os.O_RDONLY | os.O_DIRECTORY)
    with closing(Mailboxes(data)) as mailboxes:
        mailbox = mailboxes.get(INFO, os.getuid())
        os.close(data)

        with pytest.raises(OSError, match="Bad file descriptor"):
            mailboxes.is_moved(mailbox)


def test_where_few_files_may_be_open_few_mailboxes_are_kept_open(ground):
    names = [f"box{number}" for number in range(10)]
    for name in names:
        ground.add(f"a.example/inbox/{name}")
    data = os.open(ground.root, os.O_RDONLY | os.O_DIRECTORY)
    before = len(os.listdir("/proc/self/fd"))

    with closing(Mailboxes(data, open_files=32)) as mailboxes:
        for name in names:
            mailboxes.get(Place("a.example", Folder.INBOX, name), os.getuid())
            mailboxes.release()
        kept = len(os.listdir("/proc/self/fd")) - before
    os.close(data)
    assert kept == 4


def test_a_directory_is_told_from_one_that_had_its_inode(ground):
    """File systems give the number of what was removed to what comes next."""
    known = ground.inbox
    for number in range(50):
        before = ground.mailboxes.get(INFO, os.getuid()).mark
        inode = known.stat().st_ino
        ground.mailboxes.close()
        known.rmdir()
        ground.add("a.example/inbox/info")
        if known.stat().st_ino == inode:
            assert ground.mailboxes.get(INFO, os.getuid()).mark != before, number
            return
    pytest.skip("this file system gives no number twice")
