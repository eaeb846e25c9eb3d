import errno
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aimx.channel.placing import Folder, Reply, Request
from aimx.placing.committer import Committer
from aimx.placing.descriptors import Rule
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk
from aimx.placing.job import Job, Rights
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.rows import Rows
from aimx.placing.settle import settle
from aimx.testing.accounts import accounts

BASE = "2026-01-02-030405-hello"
LIMIT = 1 << 20


class FaultyDisk(Disk):
    """A disk on which the calls of that name fail from the n-th one on, as often as told."""

    def __init__(self, call: str, error: int, after: int = 0, times: int = 1 << 30) -> None:
        super().__init__()
        self._failing = range(after, after + times)
        self._error = error
        self._calls = 0
        setattr(self, call, self._counted(getattr(self, call)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._calls += 1
            if self._calls - 1 in self._failing:
                raise OSError(self._error, os.strerror(self._error))
            return call(*arguments, **options)

        return counted


class HeldDisk(Disk):
    """A disk that is as slow as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()  # Somebody waits for it.
        self._goes = threading.Event()

    def let_go(self) -> None:
        """What waits goes on, and nothing waits any more."""
        self._goes.set()

    def flush(self, descriptor: int) -> None:
        self.begun.set()
        self._goes.wait()
        super().flush(descriptor)


@dataclass
class Ground:
    """A data directory, and a placer in this process that works in it."""

    root: Path
    leaving: ExitStack
    clock: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    numbers: int = 0
    opened: list[int] = field(default_factory=list)
    reopens: frozenset[Folder] = frozenset({Folder.INBOX})

    @property
    def placing(self) -> Path:
        return self.root / ".aimx/placing"

    @property
    def inbox(self) -> Path:
        return self.root / "a.example/inbox/info"

    @property
    def left_over(self) -> list[str]:
        """What is under placing/ beside the database."""
        return sorted(
            path.name for path in self.placing.iterdir() if not path.name.startswith("placed.db")
        )

    def add(self, path: str) -> Path:
        """A mailbox's directory."""
        made = self.root / path
        made.mkdir(parents=True, mode=0o755)
        made.chmod(0o700)
        return made

    def begin(self, disk: Disk | None = None, *, unnamed: bool = True) -> None:
        """What the placer does at its start, sweep apart."""
        disk = disk or Disk()
        self.leaving.callback(disk.close)
        data = self.descriptor(self.root)
        directory = self.descriptor(self.placing)
        self.mailboxes = Mailboxes(data)
        self.leaving.callback(self.mailboxes.close)
        self.rows = Rows(self.placing / "placed.db")
        self.leaving.callback(self.rows.close)
        settle(self.rows, self.mailboxes, disk, directory, self.clock)
        self.desk = Desk(directory, disk, unnamed=unnamed)
        self.committer = Committer(self.mailboxes, self.desk, self.rows, lambda: self.clock)

    def open_rows(self) -> Rows:
        """The database as another process sees it."""
        return Rows(self.placing / "placed.db")

    @contextmanager
    def observer(self) -> Iterator[Rows]:
        with closing(self.open_rows()) as rows:
            yield rows

    def restart(self, disk: Disk | None = None) -> None:
        """A second placer, after the first one was killed without a word."""
        self.rows.close()
        self.begin(disk)

    def later(self, span: timedelta) -> None:
        self.clock += span

    def descriptor(self, directory: Path) -> int:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.leaving.callback(os.close, opened)
        return opened

    def job(self, *passed: int, owner: int | None = None, **changes: Any) -> Job:
        """A request for the one mailbox, with what is given instead; `owner` is the worker's."""
        self.numbers += 1
        request: dict[str, Any] = {
            "number": self.numbers,
            "folder": Folder.INBOX,
            "domain": "a.example",
            "name": "info",
            "uid": os.getuid(),
            "base": BASE,
            "rest": b"read = false\n+++\n\nHello\n",
        }
        rule = Rule(os.getuid() if owner is None else owner, os.stat(self.root).st_dev, limit=LIMIT)
        folders = frozenset({Folder.INBOX})
        return Job(Request(**request | changes), passed, Rights(folders, rule, self.reopens))

    def place(self, *jobs: Job) -> list[Reply]:
        """Commit them as one batch."""
        self.committer.commit(jobs)
        return [job.reply for job in jobs if job.reply is not None]

    def passed(self, content: bytes) -> int:
        """A read-only descriptor as a worker makes it, closed at the end of the test."""
        writing = os.open(self.root / ".aimx/spool", os.O_TMPFILE | os.O_WRONLY, 0o600)
        os.write(writing, content)
        reading = os.open(f"/proc/self/fd/{writing}", os.O_RDONLY)
        os.close(writing)
        self.leaving.callback(os.close, reading)
        return reading


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Ground]:
    """A data directory with one mailbox, in which no placer has begun."""
    root = tmp_path / "data"
    for path in (".aimx/placing", ".aimx/spool", "a.example/inbox/info"):
        (root / path).mkdir(parents=True, mode=0o755)
    (root / "a.example/inbox/info").chmod(0o700)
    with ExitStack() as leaving:
        yield Ground(root, leaving)


@pytest.fixture
def ground(bare: Ground) -> Ground:
    bare.begin()
    return bare


@pytest.fixture
def copying(bare: Ground) -> Ground:
    """As where the file system knows no unnamed files."""
    bare.begin(unnamed=False)
    return bare


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """A second Linux user, for as long as the tests run."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    with accounts(f"aimx-test-{os.getpid()}") as (made,):
        yield Account(made.pw_uid, made.pw_gid)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    point = tmp_path / "small"
    point.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "aimx", str(point)], check=False
    )
    if done.returncode:
        pytest.skip("cannot mount here")
    yield point
    for _ in range(50):
        if subprocess.run(["umount", str(point)], check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise OSError(errno.EBUSY, str(point))


@contextmanager
def _no_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def no_descriptors() -> Callable[[], AbstractContextManager[None]]:
    """Within it nothing more can be opened."""
    return _no_descriptors


@pytest.fixture
def faulty() -> type[FaultyDisk]:
    return FaultyDisk


@pytest.fixture
def held() -> type[HeldDisk]:
    return HeldDisk
