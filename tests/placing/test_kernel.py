import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aimx.channel.placing import Outcome
from aimx.placing.disk import Disk
from aimx.placing.kernel import AT_ONCE, KernelFlushes, kernel_flushes


@pytest.fixture
def kernel() -> KernelFlushes:
    found = kernel_flushes()
    if found is None:
        pytest.skip("this kernel, or what confines us, offers no asynchronous I/O")
    return found


@pytest.fixture
def files(tmp_path):
    """More than are on the way at a time."""
    opened = [
        os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY) for number in range(AT_ONCE + 3)
    ]
    yield opened
    for descriptor in opened:
        os.close(descriptor)


@pytest.fixture
def overpromised(tmp_path: Path) -> Iterator[Path]:
    """A file system on a disk that takes less than it says, and tells so when it is flushed."""
    disk, mounted = tmp_path / "disk", tmp_path / "mounted"
    with ExitStack() as leaving:
        for directory in (disk, mounted):
            directory.mkdir()
        image = disk / "image"
        for command, target in (
            (("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk), disk),
            (("truncate", "-s", "32m", image), None),
            (("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", image), None),
            (("mount", "-o", "loop", image, mounted), mounted),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"cannot mount here: {done.stderr.strip()}")
            if target is not None:
                leaving.callback(subprocess.run, ["umount", "--lazy", target], check=True)
        yield mounted


def test_files_and_directories_are_flushed_together(kernel, files, tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    for descriptor in files:
        os.write(descriptor, b"mail")

    flush = kernel.begin([*files, directory])

    assert flush.ended() == {}
    os.close(directory)


def test_what_cannot_be_flushed_is_told_and_the_rest_is_flushed(kernel, files):
    reading, writing = os.pipe()

    failures = kernel.begin([files[0], writing, files[1]]).ended()

    assert {descriptor: each.errno for descriptor, each in failures.items()} == {
        writing: errno.EINVAL
    }
    os.close(reading)
    os.close(writing)


def test_of_two_flushes_each_has_its_own_failures(kernel, files):
    reading, writing = os.pipe()
    first, second = kernel.begin([writing]), kernel.begin(files[:2])

    assert second.ended() == {}
    assert first.ended().keys() == {writing}
    os.close(reading)
    os.close(writing)


@pytest.mark.root
def test_what_the_disk_did_not_take_is_told_of_each_file(kernel, overpromised):
    opened = [os.open(overpromised / str(n), os.O_CREAT | os.O_WRONLY) for n in range(8)]
    for descriptor in opened:
        os.write(descriptor, os.urandom(700_000))

    failures = kernel.begin(opened).ended()

    assert 0 < len(failures) < len(opened)
    assert {each.errno for each in failures.values()} <= {errno.ENOSPC, errno.EIO}
    for descriptor in opened:
        os.close(descriptor)


def test_a_batch_is_placed_by_the_kernels_flushes(bare, kernel):
    bare.begin(Disk(kernel, slow_seconds=-1.0))
    jobs = [
        *(bare.job(fingerprint=bytes([number]) * 32) for number in range(5)),
        bare.job(bare.passed(b"x"), bare.passed(b"y"), attachments=("x", "y")),
    ]

    replies = bare.place(*jobs)

    assert [reply.outcome for reply in replies] == [Outcome.PLACED] * len(jobs)
    assert len(list(bare.inbox.iterdir())) == len(jobs)
