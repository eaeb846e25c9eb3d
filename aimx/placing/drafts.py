"""Files and bundles that are complete before they have a name below a mailbox.

A draft is the owner's, nobody else can write to it, and it is lost without a trace unless it is
published. Its bundle, and where the file system knows no unnamed files the draft itself, wait
under the placing directory, which is swept at the next start.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Sequence
from typing import Protocol

import structlog

from aimx.channel.packets import close_all
from aimx.placing import descriptors
from aimx.placing.descriptors import Rule
from aimx.placing.disk import Disk
from aimx.placing.mailboxes import Mailbox
from desired.frozen import field, frozen, mutable, replace

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

log = structlog.get_logger()


class Draft(Protocol):
    """What one message is before it is seen."""

    @property
    def inode(self) -> int:
        """Of what will have the message's name."""

    @property
    def flushed(self) -> Sequence[int]:
        """The files and directories that must be durable before it is published."""

    def publish(self, mailbox: Mailbox, stem: str) -> None:
        """Give it its name; a `FileExistsError` where there is such a name."""

    def changes(self, mailbox: Mailbox) -> Sequence[int]:
        """The directories that publishing has changed."""

    def withdraw(self, mailbox: Mailbox, stem: str) -> None:
        """Take the name away again, if it is still this draft's."""

    def discard(self) -> None:
        """Let go of it: what was not published is gone, what was published stays."""


@mutable
class File:
    """An open file, and its name under the placing directory where it needs one."""

    desk: Desk
    descriptor: int
    name: str | None = None

    @property
    def inode(self) -> int:
        return os.fstat(self.descriptor).st_ino

    @property
    def flushed(self) -> Sequence[int]:
        return (self.descriptor,)

    def link(self, directory: int, name: str) -> None:
        if self.name is None:
            self.desk.disk.link(f"/proc/self/fd/{self.descriptor}", directory, name)
        else:
            self.desk.disk.link(self.name, directory, name, source_directory=self.desk.directory)

    def publish(self, mailbox: Mailbox, stem: str) -> None:
        self.link(mailbox.descriptor, f"{stem}.md")

    def changes(self, mailbox: Mailbox) -> Sequence[int]:
        return (mailbox.descriptor,)

    def withdraw(self, mailbox: Mailbox, stem: str) -> None:
        name = f"{stem}.md"
        if _inode(mailbox.descriptor, name) == self.inode:
            os.unlink(name, dir_fd=mailbox.descriptor)

    def discard(self) -> None:
        # Some file systems repeat here what a write or a flush has told.
        close_all((self.descriptor,))
        if self.name is not None:
            self.desk.discard(self.name)


@mutable
class Bundle:
    """A directory under the placing directory, with the message and its attachments in it."""

    desk: Desk
    name: str  # Under the placing directory; gone from there once it is published.
    descriptor: int
    parts: list[File] = field(default_factory=list)

    @property
    def inode(self) -> int:
        return os.fstat(self.descriptor).st_ino

    @property
    def flushed(self) -> Sequence[int]:
        return [*(part.descriptor for part in self.parts), self.descriptor]

    def add(self, file: File, name: str) -> None:
        """Takes the file over, whether or not the name can be given to it."""
        self.parts.append(file)
        file.link(self.descriptor, name)

    def publish(self, mailbox: Mailbox, stem: str) -> None:
        self.desk.disk.rename(self.name, self.desk.directory, stem, mailbox.descriptor)

    def changes(self, mailbox: Mailbox) -> Sequence[int]:
        # A rename has two ends. Left half on disk by a power cut, the end at the desk would be
        # swept at the next start, and the bundle with it.
        return (mailbox.descriptor, self.desk.directory)

    def withdraw(self, mailbox: Mailbox, stem: str) -> None:
        if _inode(mailbox.descriptor, stem) == self.inode:
            os.rename(
                stem, self.name, src_dir_fd=mailbox.descriptor, dst_dir_fd=self.desk.directory
            )

    def discard(self) -> None:
        for part in self.parts:
            part.discard()
        self.desk.discard(self.name)
        close_all((self.descriptor,))


@frozen
class Desk:
    """Where drafts are made."""

    directory: int  # The placing directory.
    disk: Disk
    unnamed: bool  # Whether the file system has unnamed files, and leases on them.
    left_over: set[str] = field(default_factory=set)  # Names that could not be removed yet.

    @property
    def naming(self) -> Desk:
        """The same, with a name for each file: none can be renamed without."""
        return replace(self, unnamed=False)

    def written(self, mailbox: Mailbox, content: bytes) -> File:
        file = self._new(mailbox)
        try:
            self.disk.write(file.descriptor, content)
            os.fchown(file.descriptor, mailbox.uid, mailbox.gid)
        except OSError:
            file.discard()
            raise
        return file

    def copied(self, mailbox: Mailbox, head: bytes, source: int, rule: Rule) -> File:
        """The head, and then what the worker's descriptor holds."""
        size = descriptors.size(source, rule, named=True)
        file = self._new(mailbox)
        try:
            self.disk.write(file.descriptor, head)
            self.disk.copy(source, file.descriptor, size)
            os.fchown(file.descriptor, mailbox.uid, mailbox.gid)
        except OSError:
            file.discard()
            raise
        return file

    def attached(self, mailbox: Mailbox, source: int, rule: Rule) -> File:
        """The worker's own file, taken over, or a copy of it. The source stays the caller's."""
        if not self.unnamed:
            return self.copied(mailbox, b"", source, rule)
        descriptors.size(source, rule)
        taken = replace(rule, uid=mailbox.uid)
        if not descriptors.take_over(source, mailbox.uid, mailbox.gid):
            return self.copied(mailbox, b"", source, taken)
        # Its worker could still make it larger meanwhile, or give it a name.
        descriptors.size(source, taken)
        return File(self, os.dup(source))

    def bundle(self, mailbox: Mailbox, message: File, name: str) -> Bundle:
        """One with the message in it, which it takes over, whatever comes of it.

        The placing directory keeps its owner out until it is published.
        """
        try:
            bundle = self._empty_bundle()
        except OSError:
            message.discard()
            raise
        try:
            bundle.add(message, name)
            os.fchown(bundle.descriptor, mailbox.uid, mailbox.gid)
        except OSError:
            bundle.discard()
            raise
        return bundle

    def discard(self, name: str) -> None:
        """Remove a name, if it is still there: now, or with a later `clear`.

        A published file would keep it as a second one, and nobody opens mail that has two.
        """
        try:
            remove(self.directory, name)
        except FileNotFoundError:
            pass
        except OSError:
            self.left_over.add(name)

    def clear(self) -> None:
        """Try again to remove what is left over."""
        for name in tuple(self.left_over):
            self.left_over.remove(name)
            self.discard(name)

    def _empty_bundle(self) -> Bundle:
        name = f"bundle-{secrets.token_hex(8)}"
        os.mkdir(name, 0o700, dir_fd=self.directory)
        try:
            return Bundle(self, name, os.open(name, _DIRECTORY, dir_fd=self.directory))
        except OSError:
            self.discard(name)
            raise

    def _new(self, mailbox: Mailbox) -> File:
        if self.unnamed:
            return File(self, self.disk.unnamed(mailbox.descriptor))
        name = f"file-{secrets.token_hex(8)}"
        return File(self, os.open(name, _NEW, 0o600, dir_fd=self.directory), name)


def has_unnamed_files(directory: int) -> bool:
    """Whether a file can be made there without a name, leased, and given a name afterwards."""
    name = f"probe-{secrets.token_hex(8)}"
    opened = []
    try:
        opened.append(os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o600, dir_fd=directory))
        opened.append(os.open(f"/proc/self/fd/{opened[0]}", os.O_RDONLY))
        os.close(opened.pop(0))
        fcntl.fcntl(opened[0], fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(opened[0], fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.link(f"/proc/self/fd/{opened[0]}", name, dst_dir_fd=directory)
        os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    finally:
        close_all(opened)
    return True


def sweep(directory: int, keep: tuple[str, ...]) -> int:
    """Remove what a killed placer left under the placing directory, and say how many names.

    What begins with one of `keep` stays, and so does what we cannot have made.
    """
    swept = 0
    for name in os.listdir(directory):
        if name.startswith(keep):
            continue
        try:
            remove(directory, name)
        except OSError as failure:
            log.warning("left under the placing directory", name=name, reason=failure.strerror)
        else:
            swept += 1
    return swept


def remove(directory: int, name: str) -> None:
    """Remove a file, or a directory of files, without following a link."""
    try:
        inside = os.open(name, _DIRECTORY, dir_fd=directory)
    except OSError:
        os.unlink(name, dir_fd=directory)
        return
    try:
        for part in os.listdir(inside):
            os.unlink(part, dir_fd=inside)
    finally:
        close_all((inside,))
    os.rmdir(name, dir_fd=directory)


def _inode(directory: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None
