import errno
import fcntl
import mmap
import os
import signal

import pytest

from aimx.channel.placing import Outcome
from aimx.placing import descriptors
from aimx.placing.descriptors import Rule
from aimx.placing.failure import PlacingError

LIMIT = 1 << 20


@pytest.fixture
def spool(ground):
    return ground.root / ".aimx/spool"


def fate(ground, descriptor, **options):
    """What becomes of a message with this descriptor as its one attachment."""
    (reply,) = ground.place(ground.job(descriptor, attachments=("a.txt",), **options))
    assert (reply.outcome is Outcome.PLACED) == bool(list(ground.inbox.iterdir()))
    assert ground.left_over == []
    return reply.outcome, reply.text


def open_attachment(ground, stem, flags):
    opened = os.open(ground.inbox / stem / "a.txt", flags)
    ground.leaving.callback(os.close, opened)
    return opened


def refused(ground, descriptor, **options):
    outcome, reason = fate(ground, descriptor, **options)
    assert outcome is Outcome.FAILED
    return reason


def test_a_file_that_only_we_can_reach_becomes_mail_itself(ground):
    passed = ground.passed(b"hello")

    outcome, stem = fate(ground, passed)

    assert outcome is Outcome.PLACED
    assert os.path.sameopenfile(passed, open_attachment(ground, stem, os.O_RDONLY))


def test_a_file_that_the_worker_can_still_write_to_is_refused(ground, spool):
    kept = os.open(spool, os.O_TMPFILE | os.O_RDWR, 0o600)
    passed = os.open(f"/proc/self/fd/{kept}", os.O_RDONLY)

    assert "kept a way to write" in refused(ground, passed)
    os.close(kept)
    os.close(passed)


def test_a_descriptor_that_can_itself_write_is_refused(ground, spool):
    passed = os.open(spool, os.O_TMPFILE | os.O_RDWR, 0o600)

    assert "kept a way to write" in refused(ground, passed)
    os.close(passed)


def test_a_file_with_a_writable_map_is_refused(ground, spool):
    kept = os.open(spool, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(kept, b"good" * 1024)
    passed = os.open(f"/proc/self/fd/{kept}", os.O_RDONLY)
    with mmap.mmap(kept, 4096) as writable:
        os.close(kept)

        assert "kept a way to write" in refused(ground, passed)
        writable[0:4] = b"EVIL"
    os.close(passed)


def test_nobody_waits_to_write_for_whoever_keeps_a_lease_on_a_file(ground):
    passed = ground.passed(b"hello")
    kept = os.open(f"/proc/self/fd/{passed}", os.O_RDONLY)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    fcntl.fcntl(kept, fcntl.F_SETLEASE, fcntl.F_RDLCK)

    outcome, stem = fate(ground, passed)

    assert outcome is Outcome.PLACED
    attachment = open_attachment(ground, stem, os.O_RDWR | os.O_NONBLOCK)
    assert os.read(attachment, 100) == b"hello"
    os.close(kept)
    signal.signal(signal.SIGIO, before)


def test_a_file_with_a_name_is_refused(ground, spool):
    (spool / "named").write_bytes(b"x")
    passed = os.open(spool / "named", os.O_RDONLY)

    assert "has a name" in refused(ground, passed)
    os.close(passed)


def test_a_file_that_had_a_name_is_refused(ground, spool):
    (spool / "named").write_bytes(b"x")
    passed = os.open(spool / "named", os.O_RDONLY)
    (spool / "named").unlink()

    assert os.strerror(errno.ENOENT) in refused(ground, passed)
    os.close(passed)


def test_a_file_of_somebody_else_is_refused(ground):
    passed = ground.passed(b"x")

    assert f"of uid {os.getuid()}" in refused(ground, passed, owner=os.getuid() + 1)


def test_a_file_over_the_limit_is_refused(ground):
    passed = ground.passed(bytes(LIMIT + 1))

    assert f"{LIMIT + 1} octets" in refused(ground, passed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda file, _: os.ftruncate(file, LIMIT + 1), "octets", id="larger"),
        pytest.param(
            lambda file, spool: os.link(f"/proc/self/fd/{file}", "kept", dst_dir_fd=spool),
            "has a name",
            id="named",
        ),
    ],
)
def test_a_file_that_changes_while_it_is_taken_over_is_refused(
    ground, spool, monkeypatch, change, reason
):
    file = os.open(spool, os.O_TMPFILE | os.O_RDWR, 0o600)
    passed = os.open(f"/proc/self/fd/{file}", os.O_RDONLY)
    directory, take_over = os.open(spool, os.O_RDONLY), descriptors.take_over

    def late(*arguments):
        change(file, directory)
        os.close(file)
        return take_over(*arguments)

    monkeypatch.setattr(descriptors, "take_over", late)

    assert reason in refused(ground, passed)
    os.close(passed)
    os.close(directory)


def test_a_file_of_another_file_system_is_refused(ground):
    passed = os.memfd_create("elsewhere")

    assert "another file system" in refused(ground, passed)
    os.close(passed)


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "socket"])
def test_what_is_no_regular_file_is_refused(ground, spool, kind):
    match kind:
        case "fifo":
            os.mkfifo(spool / "fifo")
            passed = os.open(spool / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        case "directory":
            passed = os.open(spool, os.O_RDONLY)
        case "device":
            passed = os.open("/dev/zero", os.O_RDONLY)
        case _:
            passed = os.eventfd(0)

    assert "no regular file" in refused(ground, passed)
    os.close(passed)


def test_a_descriptor_without_access_is_refused(ground, spool):
    (spool / "file").write_bytes(b"x")
    passed = os.open(spool / "file", os.O_PATH)
    (spool / "file").unlink()

    refused(ground, passed)
    os.close(passed)


@pytest.mark.parametrize("shape", ["named", "writable"])
def test_content_is_copied_so_that_a_later_change_does_not_reach_it(ground, spool, shape):
    file = spool / "file"
    file.write_bytes(b"good")
    passed = os.open(file, os.O_RDWR if shape == "writable" else os.O_RDONLY)
    (reply,) = ground.place(ground.job(passed, rest=None))
    file.write_bytes(b"EVIL")

    assert (ground.inbox / f"{reply.text}.md").read_bytes().endswith(b"good")
    os.close(passed)


def test_a_file_that_shrinks_while_it_is_copied_is_not_placed(bare, faulty):
    file = bare.root / ".aimx/spool/file"
    file.write_bytes(b"x" * 1000)
    passed = os.open(file, os.O_RDONLY)

    class Shrinking(faulty):
        def copy(self, source: int, target: int, size: int) -> None:
            os.truncate(file, 10)
            super().copy(source, target, size)

    bare.begin(Shrinking("rename", errno.EIO, after=9))

    (reply,) = bare.place(bare.job(passed, rest=None))

    assert reply.outcome is Outcome.FAILED
    assert list(bare.inbox.iterdir()) == []
    os.close(passed)


def test_a_taken_over_file_is_the_owners_alone_and_not_leased(ground):
    passed = ground.passed(b"x")
    os.fchmod(passed, 0o4777)

    descriptors.take_over(passed, os.getuid(), os.getgid())

    assert os.fstat(passed).st_mode & 0o7777 == 0o600
    assert fcntl.fcntl(passed, fcntl.F_GETLEASE) == fcntl.F_UNLCK


def test_owner_and_mode_are_set_before_the_lease_is_asked_for(ground, spool):
    kept = os.open(spool, os.O_TMPFILE | os.O_RDWR, 0o666)
    passed = os.open(f"/proc/self/fd/{kept}", os.O_RDONLY)

    with pytest.raises(PlacingError):
        descriptors.take_over(passed, os.getuid(), os.getgid())

    # The lease was refused; what came before it was done.
    assert os.fstat(passed).st_mode & 0o7777 == 0o600
    os.close(kept)
    os.close(passed)


def test_what_a_worker_granted_itself_besides_the_mode_is_taken_away(ground):
    passed = ground.passed(b"x")
    # POSIX ACL, version 2: owner rw, user 12345 rw, group none, mask rw, others none.
    entries = [(1, 6, -1), (2, 6, 12345), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little")
        + rights.to_bytes(2, "little")
        + (who % 2**32).to_bytes(4, "little")
        for tag, rights, who in entries
    )
    try:
        os.setxattr(passed, "system.posix_acl_access", acl)
    except OSError as failure:
        pytest.skip(f"no access lists here: {failure.strerror}")

    descriptors.take_over(passed, os.getuid(), os.getgid())

    assert "system.posix_acl_access" not in os.listxattr(passed)


@pytest.mark.root
def test_a_worker_cannot_write_to_what_was_taken_over(ground, account):
    writing = os.open(ground.root / ".aimx/spool", os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.fchown(writing, account.uid, account.gid)
    passed = os.open(f"/proc/self/fd/{writing}", os.O_RDONLY)
    os.close(writing)
    rule = Rule(account.uid, os.fstat(passed).st_dev, LIMIT)

    descriptors.size(passed, rule)
    descriptors.take_over(passed, 54321, 54321)

    child = os.fork()
    if child == 0:
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        try:
            os.open(f"/proc/self/fd/{passed}", os.O_WRONLY)
        except PermissionError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    os.close(passed)
