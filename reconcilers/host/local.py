"""This machine: files, accounts, time and chance, for real."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Self

from desired.desired import Algorithm
from reconcilers.host import accounts, removal
from reconcilers.host.anchors import Anchors, Kept
from reconcilers.host.descriptors import (
    ENTERING,
    opened,
    read_all,
    read_part,
    require_file,
    write_all,
)
from reconcilers.host.entries import entries, entry, look
from reconcilers.host.giving import give, make_directory, settle, write_new
from reconcilers.host.host import (
    Access,
    Account,
    Entry,
    Nature,
    Place,
    StepError,
    is_provisional,
    one_by_one,
    provisional,
)
from reconcilers.host.private import make_private
from reconcilers.host.renaming import rename_new
from reconcilers.host.sentences import changing, looking, moving, removing, sentence, told
from reconcilers.roots import Roots

# Without O_NONBLOCK, opening a FIFO that somebody put there would wait for its writer.
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_APPENDING = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


class LocalHost:
    """The machine that we run on, as far as one instance's directories."""

    def __init__(self, roots: Roots, anchors: Anchors | None = None) -> None:
        self._roots = roots
        self._anchors = anchors or Anchors(roots)

    def user(self) -> Account:
        return accounts.user()

    def account(self, name: str) -> Account | None:
        return accounts.account(name)

    def look(self, path: PurePosixPath) -> Entry | None:
        with looking(path):
            if not self._anchors.holds(path):
                return entry(os.stat(path))
            with self._anchors.parent(path) as (parent, name):
                return entry(os.lstat(name, dir_fd=parent))
        return None

    def look_within(
        self, directory: PurePosixPath, names: Iterable[str]
    ) -> Mapping[str, Entry | None] | None:
        with looking(directory), self._anchors.directory(directory) as descriptor:
            return entries(names, descriptor)
        return None

    def names(self, directory: PurePosixPath) -> tuple[str, ...] | None:
        with looking(directory), self._anchors.directory(directory) as descriptor:
            names = os.listdir(descriptor)
            return tuple(sorted(name for name in names if not is_provisional(name)))
        return None

    def read(self, path: PurePosixPath) -> bytes | None:
        return self._read(path, read_all)

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        return self._read(path, partial(read_part, start=start, octets=octets))

    def _read(self, path: PurePosixPath, content: Callable[[int], bytes]) -> bytes | None:
        with looking(path):
            descriptor = self._open(path)
            try:
                return content(descriptor)
            finally:
                os.close(descriptor)
        return None

    def _open(self, path: PurePosixPath) -> int:
        """A descriptor of the file for reading; `OSError` where it cannot be had."""
        if not self._anchors.holds(path):
            return os.open(path, _READING)
        with self._anchors.parent(path) as (parent, name):
            return os.open(name, _READING | os.O_NOFOLLOW, dir_fd=parent)

    @contextmanager
    def keeping(self) -> Iterator[Self]:
        anchors = Kept(self._roots)
        try:
            yield type(self)(self._roots, anchors)
        finally:
            anchors.close()

    def make_directory(self, path: PurePosixPath, access: Access) -> None:
        if self._anchors.is_root(path):
            self._make_above(path)
        with changing(path), self._anchors.parent(path) as (parent, name):
            (made,) = make_private([(parent, name)], access)
            if isinstance(made, OSError):
                raise made
            if made:
                return
            there = look(name, parent)
            if there is None:
                make_directory(path, name, parent, access)
            elif there.nature is Nature.DIRECTORY:
                give(path, name, parent, access)
            elif there.nature is Nature.SYMLINK:
                raise told(errno.ELOOP)
            else:
                raise told(errno.ENOTDIR)

    def make_directories(self, places: Sequence[Place], access: Access) -> Sequence[str]:
        """As their owner is become and left but once, those that this makes are seen at once."""
        names = [name for _, name in places]
        try:
            with self._anchors.directories(directory for directory, _ in places) as reached:
                made = make_private([*zip(reached, names, strict=True)], access)
        except OSError:  # Which of them it is, and of what, is told one by one.
            return one_by_one(self, places, access)
        left = [place for place, is_made in zip(places, made, strict=True) if is_made is False]
        reasons = iter(one_by_one(self, left, access))
        ended: list[str] = []
        for (directory, name), is_made in zip(places, made, strict=True):
            if is_made is True:
                ended.append("")
            elif is_made is False:
                ended.append(next(reasons))
            else:
                ended.append(sentence(directory / name, is_made))
        return ended

    def _make_above(self, root: PurePosixPath) -> None:
        """The directories above a root: the system's, so they get its usual mode and no repair."""
        with changing(root):
            above = Path(root).resolve().parent
            missing = [path for path in (above, *above.parents) if not path.exists()]
            for path in reversed(missing):
                path.mkdir()
                path.chmod(0o755)
                with opened(str(path.parent), None, ENTERING) as parent:
                    os.fsync(parent)

    def set_access(self, path: PurePosixPath, access: Access) -> None:
        with changing(path), self._anchors.parent(path) as (parent, name):
            give(path, name, parent, access)

    def replace(self, path: PurePosixPath, content: bytes, access: Access) -> None:
        with changing(path), self._anchors.parent(path) as (parent, name):
            there = look(name, parent)
            if there is not None and there.nature is Nature.SYMLINK:
                raise told(errno.ELOOP)
            new = provisional(name)
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=parent)
            try:
                write_new(path, new, parent, content, access)
                os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)
            except (OSError, StepError):
                with suppress(OSError):
                    os.unlink(new, dir_fd=parent)
                raise
            os.fsync(parent)

    def link(self, source: PurePosixPath, target: PurePosixPath) -> None:
        with (
            changing(target),
            self._anchors.parent(target) as (target_parent, target_name),
            changing(source),
            self._anchors.parent(source) as (source_parent, source_name),
        ):
            with changing(target):
                if look(target_name, target_parent) is not None:
                    raise told(errno.EEXIST)
            os.link(
                source_name,
                target_name,
                src_dir_fd=source_parent,
                dst_dir_fd=target_parent,
                follow_symlinks=False,
            )
            os.fsync(target_parent)

    def move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        with (
            changing(target),
            self._anchors.parent(target) as (target_parent, target_name),
            changing(source),
            self._anchors.parent(source) as (source_parent, source_name),
        ):
            with moving(source, target):
                rename_new(source_name, source_parent, target_name, target_parent)
            os.fsync(target_parent)
            if source.parent != target.parent:
                os.fsync(source_parent)

    def remove_file(self, path: PurePosixPath) -> None:
        with removing(path), self._anchors.parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)
            os.fsync(parent)

    def remove_directory(self, path: PurePosixPath) -> None:
        with removing(path), self._anchors.parent(path) as (parent, name):
            _sweep(name, parent)
            os.rmdir(name, dir_fd=parent)
            os.fsync(parent)

    def remove_tree(self, path: PurePosixPath) -> None:
        with removing(path), self._anchors.parent(path) as (parent, name):
            removal.remove_tree(name, parent)
            os.fsync(parent)

    def sync(self, directory: PurePosixPath) -> None:
        with changing(directory), self._anchors.directory(directory) as descriptor:
            os.fsync(descriptor)

    def sync_everything(self) -> None:
        os.sync()

    def append(
        self, path: PurePosixPath, lines: bytes, access: Access, *, durably: bool = True
    ) -> None:
        with changing(path), self._anchors.parent(path) as (parent, name):
            with opened(name, parent, _APPENDING) as descriptor:
                require_file(descriptor)
                settle(path, descriptor, access)
                size = os.fstat(descriptor).st_size
                cut_short = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                write_all(descriptor, b"\n" + lines if cut_short else lines)
                if durably:
                    os.fsync(descriptor)
            if durably and not size:
                os.fsync(parent)

    def new_private_key(self, algorithm: Algorithm = "rsa-sha256") -> bytes:
        from reconcilers.host.keys import new_private_key  # A plan does without its library.

        return new_private_key(algorithm)

    def new_certificate(self, hostname: str, private_key: bytes) -> bytes:
        from reconcilers.host.keys import new_certificate

        return new_certificate(hostname, private_key, self.now())

    def written(self, path: PurePosixPath) -> datetime | None:
        with looking(path), self._anchors.parent(path) as (parent, name):
            found = os.lstat(name, dir_fd=parent)
            is_file = stat.S_ISREG(found.st_mode)
            return datetime.fromtimestamp(found.st_mtime, UTC) if is_file else None
        return None

    def now(self) -> datetime:
        return datetime.now(UTC)


def _sweep(name: str, parent: int) -> None:
    """Remove what interrupted changes left in a directory."""
    with opened(name, parent, ENTERING) as directory:
        for left in filter(is_provisional, os.listdir(directory)):
            try:
                os.unlink(left, dir_fd=directory)
            except IsADirectoryError:
                os.rmdir(left, dir_fd=directory)
