"""Unread messages are counted by their owner, in bounded time, and by nobody else."""

import os
import subprocess
from pathlib import PurePosixPath
from time import monotonic

import pytest

from aimx.processes import unread
from aimx.processes.counting import count
from aimx.processes.start import Identity, start
from reconcilers.roots import Roots
from reconcilers.unread import Inbox, Unread

UNREAD = '+++\nid = "a"\nsubject = "x"\nread = false\n+++\n\nread = true\n'
READ = UNREAD.replace("false", "true")


def counted(directory, **limits):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        return count(descriptor, **limits)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("content", "unread"),
    [
        pytest.param(UNREAD, 1, id="unread"),
        pytest.param(READ, 0, id="read"),
        pytest.param('+++\nid = "a"\n+++\n\nread = true\n', 1, id="it-does-not-say"),
        pytest.param('+++\nread = false\nsubject = "\\nread = true\\n"\n+++\n', 1, id="claims"),
        pytest.param("read = false\n", 0, id="no-message-of-ours"),
        pytest.param("", 0, id="empty"),
        pytest.param("+++\nread = true\n", 0, id="cut"),
    ],
)
def test_a_message_is_unread_unless_its_frontmatter_says_it_is_not(tmp_path, content, unread):
    (tmp_path / "2026-01-01-000000-a.md").write_text(content)

    assert counted(tmp_path) == (unread, False)


def test_a_message_with_attachments_counts_once(tmp_path):
    bundle = tmp_path / "2026-01-01-000000-a"
    bundle.mkdir()
    (bundle / f"{bundle.name}.md").write_text(UNREAD)
    (bundle / "other.md").write_text(UNREAD)
    (tmp_path / "empty").mkdir()

    assert counted(tmp_path) == (1, False)


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(UNREAD)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    os.mkfifo(inbox / "pipe.md")
    (inbox / "link.md").symlink_to(elsewhere)
    (inbox / "directory").symlink_to(tmp_path)

    assert counted(inbox) == (0, True)


def test_the_count_ends_where_it_would_take_long(tmp_path):
    for number in range(5):
        (tmp_path / f"2026-01-0{number + 1}-000000-a.md").write_text(UNREAD)

    assert counted(tmp_path, most=3) == (3, True)
    assert counted(tmp_path, seconds=0) == (0, True)
    assert counted(tmp_path, most=5) == (5, False)


@pytest.fixture
def owned(tmp_path):
    """Where an inbox is, and who owns it: whoever runs the tests, and another user for root."""
    uid, gid = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    inbox = tmp_path / "a.example" / "inbox" / "info"
    inbox.mkdir(parents=True)
    for above in (tmp_path, *inbox.parents[:2]):
        above.chmod(0o755)
    for number in range(3):
        path = inbox / f"2026-01-0{number + 1}-000000-a.md"
        path.write_text(READ if number == 1 else UNREAD)
        path.chmod(0o600)
        os.chown(path, uid, gid)
    inbox.chmod(0o700)
    os.chown(inbox, uid, gid)
    return Inbox("mailbox/info@a.example", "a.example", "info", uid, gid)


@pytest.fixture
def roots(tmp_path):
    return Roots(*[PurePosixPath(tmp_path)] * 4)


def test_the_owner_counts(owned, roots):
    assert unread.count(roots, [owned]) == {"mailbox/info@a.example": Unread(2)}


def test_what_the_owner_cannot_open_stays_unknown(owned, roots):
    gone = Inbox("mailbox/gone@a.example", "a.example", "gone", owned.uid, owned.gid)

    assert unread.count(roots, [gone, owned]).keys() == {"mailbox/info@a.example"}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b'["a.example", "info", 1e999, false]', id="more-than-there-are-numbers"),
        pytest.param(b'["a.example", "info", NaN, false]', id="no-number"),
        pytest.param(b'["a.example", "info", null, false]', id="nothing"),
        pytest.param(b'["a.example", "info", ' + b"9" * 5000 + b", false]", id="too-many-digits"),
        pytest.param(b"[" * 20_000, id="deep"),
        pytest.param(b"\xff", id="no-text"),
    ],
)
def test_nonsense_from_whoever_counts_is_passed_over(said):
    ours, theirs = os.pipe()
    os.write(theirs, said + b'\n["a.example", "other", 2, false]\n')
    os.close(theirs)

    with subprocess.Popen(["/bin/true"]) as process:
        answers = list(unread._Counting(process, ours).answers(monotonic() + 60))

    os.close(ours)
    assert answers == [(("a.example", "other"), Unread(2))]


@pytest.mark.parametrize(
    ("uid", "gid"),
    [pytest.param(0, 0, id="root"), pytest.param(54321, 0, id="the-group-of-root")],
)
def test_nobody_counts_as_root(owned, roots, uid, gid):
    inbox = Inbox("mailbox/info@a.example", "a.example", "info", uid, gid)

    assert unread.count(roots, [inbox]) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")
def test_another_user_than_the_owner_sees_nothing(owned, roots):
    stranger = Inbox("mailbox/info@a.example", "a.example", "info", 54321, 54321)

    assert unread.count(roots, [stranger]) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root can become others")
def test_without_root_only_our_own_is_counted(owned, roots):
    other = Inbox("mailbox/info@a.example", "a.example", "info", owned.uid + 1, owned.gid)

    assert unread.count(roots, [other]) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads no message, and is another user's test")
def test_whoever_counts_for_somebody_who_left_leaves_too(tmp_path):
    _left(tmp_path, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")
def test_whoever_root_made_count_and_left_leaves_too(tmp_path):
    _left(tmp_path, Identity(65534, 65534))


def _left(tmp_path, user):
    tmp_path.chmod(0o755)
    inbox = tmp_path / "a.example" / "inbox" / "x"
    inbox.mkdir(parents=True)
    data = os.open(tmp_path, os.O_RDONLY)
    request = os.memfd_create("request")
    os.write(request, b'[["a.example", "x"]]')
    os.lseek(request, 0, os.SEEK_SET)
    ours, theirs = os.pipe()
    os.close(ours)

    counting = start("counting", {"data": data, "request": request, "answer": theirs}, user)

    for descriptor in (data, request, theirs):
        os.close(descriptor)
    assert counting.wait(60) == 0
